"""Why machine code is not taken from the image, in words for the user."""

import json

import pytest

from tightloop.core.native import image, stamps


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in image.OTHER_CODE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(image.FOLDER, str(tmp_path))
    monkeypatch.setattr(image, "_reasons", [])
    monkeypatch.setattr(image, "_listeners", [])
    forget = image.loaded.cache_clear  # a test may replace the function
    forget()
    yield tmp_path
    forget()


def test_images_that_are_off(folder, monkeypatch):
    monkeypatch.setenv(image.FOLDER, "off")
    assert image.absence() == "images of machine code are off (TIGHTLOOP_NATIVE=off)"


@pytest.mark.parametrize("variable", image.OTHER_CODE)
def test_code_that_no_image_has(folder, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    assert image.absence().startswith(f"{variable} asks for other machine code")


def test_a_platform_without_an_image(folder):
    (folder / "index.json").write_text(json.dumps({"images": {}}))
    assert image.absence() == f"there is no image of machine code for {image.key()}"


def test_an_image_that_cannot_be_used(folder):
    (folder / "index.json").write_text("no JSON")
    heard = []
    image.when_unfit(heard.append)
    assert image.loaded() is None
    assert heard == [image.unfit()]
    assert image.absence() == image.unfit()
    image.when_unfit(heard.append)
    assert len(heard) == 2, "who asks later is told at once"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (("step.py",), "(step.py)"),
        (("log.py", "rules.py", "state.py", "step.py"), "(log.py, rules.py, state.py ...)"),
    ],
)
def test_sources_that_changed_since_the_image_was_made(folder, monkeypatch, files, says):
    hashes = {"limits.py": stamps.content_hash(stamps.CORE_DIR / "limits.py"), **dict.fromkeys(files, "another")}
    monkeypatch.setattr(image, "loaded", lambda: image.Loaded({}, {}, hashes))
    image._is_unchanged.cache_clear()
    assert image.absence() == f"sources of the core have changed since its image was made {says}"
    image._is_unchanged.cache_clear()


def test_a_function_that_the_image_does_not_have(folder, monkeypatch):
    monkeypatch.setattr(image, "loaded", lambda: image.Loaded({}, {}, {}))
    assert image.absence().startswith("the image of machine code does not have all")
