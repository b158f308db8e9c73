"""What is said on stderr of machine code: an image that is not used, and what is compiled instead."""

import pytest

from tightloop.app.cli import compiling
from tightloop.core import compiled
from tightloop.core.native import image


@pytest.fixture
def listening(monkeypatch):
    """No listener of another test hears what this one causes."""
    for module, names in ((compiled, ("_listeners", "_watchers")), (image, ("_listeners", "_reasons"))):
        for name in names:
            monkeypatch.setattr(module, name, [])
    image.loaded.cache_clear()
    yield
    image.loaded.cache_clear()


def test_a_damaged_image_is_named_once_though_nothing_is_compiled(listening, monkeypatch, tmp_path, capsys):
    (tmp_path / "index.json").write_text("{")
    monkeypatch.setenv(image.FOLDER, str(tmp_path))
    compiling.say_when_compiling()
    assert capsys.readouterr().err == ""
    for _ in range(3):
        assert not image.holds("tightloop.core.step.step")
    said = capsys.readouterr().err
    assert said.count("the image of machine code is not used: ") == 1
    assert "index.json cannot be read" in said
    compiled._tell_listeners(True)
    assert "because the image is not used; " in capsys.readouterr().err, "the reason is not repeated"


def test_the_reason_for_compiling_is_said_when_it_begins(listening, monkeypatch, capsys):
    monkeypatch.setenv(image.FOLDER, "off")
    compiling.say_when_compiling()
    compiled._tell_listeners(True)
    said = capsys.readouterr()
    assert "because images of machine code are off (TIGHTLOOP_NATIVE=off); " in said.err
    assert said.out == ""


def test_progress_names_the_part_at_work_and_how_many_began(monkeypatch, capsys):
    monkeypatch.setattr(compiling, "EVERY_S", 60.0)
    monkeypatch.setattr(compiling, "NO_TERMINAL_EVERY_S", 0.0)
    now = [100.0]
    monkeypatch.setattr(compiling.time, "monotonic", lambda: now[0])
    shown = compiling._Shown()
    shown.begin(True)
    now[0] += 14.0
    capsys.readouterr()
    for event in ("step.step", None, "replay.replay", "step.history"):
        shown.hear(event)
    shown._show()
    assert capsys.readouterr().err == "compiling the core: part 3 (step.history), 14 s\n"
    shown.hear(None)
    shown._show()
    assert capsys.readouterr().err == "compiling the core: part 3 (replay.replay), 14 s\n", "which waited for the other"
    shown.hear(None)
    shown._show()
    assert capsys.readouterr().err == "", "nothing is compiled now"


def test_an_end_of_what_came_from_the_cache_is_not_shown(capsys):
    shown = compiling._Shown()
    shown.hear(None)
    shown._show()
    assert capsys.readouterr().err == ""
