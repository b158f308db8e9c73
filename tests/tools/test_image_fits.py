"""tools/image_fits.py: whether the compiler has to be installed, and why, before anything is installed."""

import hashlib
import json
import platform
import shutil

import pytest

import image_fits
from tightloop.core.native import image


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A repository with a core of one compiled file and an image of it."""
    for name in ("NUMBA_DISABLE_JIT", "TIGHTLOOP_NATIVE", *image_fits.OTHER_CODE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(image_fits, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("model: x\nflags : fpu " + " ".join(image_fits.LEVELS["x86-64-v3"]) + "\n")
    core = tmp_path / image_fits.CORE
    core.mkdir(parents=True)
    (core / "step.py").write_text("\n@compiled(x)\n")
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "here.img.xz").write_bytes(b"machine code")
    facts = {
        "cpu": "x86-64-v3",
        "file": "here.img.xz",
        "packed_sha256": hashlib.sha256(b"machine code").hexdigest(),
        "files": {"step.py": hashlib.sha256((core / "step.py").read_bytes()).hexdigest()},
        "reaches": {"tightloop.core.step.step": "0"},
        "unpacked_sha256": "",
    }
    write(tmp_path, {f"{platform.machine().lower()}-{platform.system().lower()}": facts})
    return tmp_path


def write(tree, images, **changed):
    for facts in images.values():
        facts["seal"] = image.seal(facts)
        facts.update(changed)
    (tree / "native" / "index.json").write_text(json.dumps({"images": images}))


def test_nothing_is_compiled_where_the_image_is_of_this_core(tree):
    assert image_fits.misfit(tree) is None
    (tree / image_fits.CORE / "words.py").write_text("# nothing compiled\n")
    assert image_fits.misfit(tree) is None


def change(tree):
    (tree / image_fits.CORE / "step.py").write_text("\n@compiled(y)\n")


def add(tree):
    (tree / image_fits.CORE / "indicators").mkdir()
    (tree / image_fits.CORE / "indicators" / "mine.py").write_text("import x\n\n@compiled(x)\n")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (change, "step.py of the core is not as it was when the machine code was built"),
        (add, "indicators/mine.py of the core is new"),
        (lambda tree: shutil.rmtree(tree / "native"), "native/index.json is not there"),
        (lambda tree: (tree / "native" / "index.json").write_text("{"), "native/index.json cannot be read"),
        (lambda tree: (tree / "native" / "index.json").write_text("[]"), "native/index.json cannot be read"),
        (lambda tree: (tree / "native" / "here.img.xz").write_bytes(b"!"), "native/here.img.xz is missing or damaged"),
        (lambda tree: (tree / "native" / "here.img.xz").unlink(), "native/here.img.xz is missing or damaged"),
        (lambda tree: write(tree, {}), "there is no machine code for this platform"),
        (lambda tree: (tree / "cpuinfo").write_text("flags : fpu avx fma\n"), "this CPU lacks abm, avx2, bmi1, bmi2, "),
    ],
)
def test_a_reason_is_named_where_it_does_not_fit(tree, what, why):
    what(tree)
    found = image_fits.misfit(tree)
    assert found is not None
    assert found.startswith(why)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("TIGHTLOOP_NATIVE", "off", "TIGHTLOOP_NATIVE is off"),
        ("NUMBA_BOUNDSCHECK", "1", "NUMBA_BOUNDSCHECK asks for other machine code"),
        ("NUMBA_OPT", "1", "NUMBA_OPT asks for other machine code"),
        ("NUMBA_OPT", "0", "NUMBA_OPT asks for other machine code"),
        ("NUMBA_OPT", "3", None),
    ],
)
def test_other_machine_code_is_asked_for_by_variables(tree, monkeypatch, name, value, why):
    monkeypatch.setenv(name, value)
    assert image_fits.misfit(tree) == why


def test_plain_python_needs_no_machine_code(tree, monkeypatch):
    shutil.rmtree(tree / "native")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert image_fits.misfit(tree) is None


def images_of(tree):
    return json.loads((tree / "native" / "index.json").read_bytes())["images"]


def test_an_index_that_was_merged_or_is_for_an_unknown_level_does_not_fit(tree):
    images = images_of(tree)
    write(tree, images, files={})
    assert image_fits.misfit(tree) == "native/index.json is damaged or merged"
    for facts in images.values():
        facts["cpu"] = "x86-64-v9"
    write(tree, images)
    assert image_fits.misfit(tree) == "the machine code is for x86-64-v9, which is not known"


def test_it_asks_as_the_core_does(monkeypatch):
    assert image_fits.SEALED == image.SEALED
    assert dict(image_fits.LEVELS) == dict(image.LEVELS)
    assert image_fits.OTHER_CODE == image.OTHER_CODE
