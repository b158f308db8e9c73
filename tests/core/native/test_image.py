"""The image of machine code: used where it fits, refused where it is damaged or built for another machine."""

import json
import lzma
import os
import random
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tightloop.core import compiled, state
from tightloop.core.domain.types import STATE
from tightloop.core.native import MachineCodeError, image, stamps

ROOT = Path(__file__).resolve().parents[3]
NATIVE = ROOT / "native"
C_LIBRARY = {"exp", "log", "memmove", "memset", "pow", "tanh"}
FLIPS = 500  # of the packed file, and as many of the unpacked one

facts = json.loads((NATIVE / "index.json").read_bytes())["images"].get(image.key())
pytestmark = pytest.mark.skipif(facts is None, reason=f"the repository has no image for {image.key()}")


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the image that nothing else uses, with a cache folder of its own."""
    folder = tmp_path / "native"
    shutil.copytree(NATIVE, folder)
    monkeypatch.setenv(image.FOLDER, str(folder))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    for name in image.OTHER_CODE:
        monkeypatch.delenv(name, raising=False)  # the suite itself also runs with bounds checks
    image.loaded.cache_clear()
    monkeypatch.setattr(image, "_reasons", [])
    yield folder
    image.loaded.cache_clear()


def flipped(content, seed):
    """The content with one bit changed."""
    chosen = random.Random(seed)
    changed = bytearray(content)
    changed[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
    return bytes(changed)


def test_the_image_fits_this_machine_and_says_what_it_is(copy):
    assert image.loaded() is not None
    assert image.unfit() is None
    called = {name for name in facts["externals"] if not name.startswith(("Py", "_Py"))}
    assert called <= C_LIBRARY, "machine code calls nothing of the compiler"
    assert facts["cpu"] in image.LEVELS


def test_it_is_unpacked_once(copy, tmp_path):
    image.loaded()
    (kept,) = (tmp_path / "cache").iterdir()
    (copy / facts["file"]).unlink()
    image.loaded.cache_clear()
    assert image.loaded() is not None, "from the cache folder"
    kept.unlink()
    image.loaded.cache_clear()
    assert image.loaded() is None
    assert "cannot be read" in image.unfit()


def test_a_cache_folder_that_cannot_be_written_costs_unpacking_again_and_nothing_else(copy, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert image.loaded() is not None


@pytest.mark.parametrize("seeds", [range(start, start + 100) for start in range(0, FLIPS, 100)], ids=str)
def test_each_flipped_bit_of_the_packed_file_is_refused_by_its_checksum(copy, tmp_path, seeds):
    packed = copy / facts["file"]
    content = packed.read_bytes()
    for seed in seeds:
        packed.write_bytes(flipped(content, seed))
        with pytest.raises(image.Unfit, match="sha256"):
            image._unpacked(facts, packed)
        assert not (tmp_path / "cache").exists(), seed


def test_each_flipped_bit_of_the_unpacked_file_is_found_and_the_packed_one_is_used(copy, tmp_path):
    packed = copy / facts["file"]
    content = image._unpacked(facts, packed)
    (kept,) = (tmp_path / "cache").iterdir()
    packed.rename(packed.with_suffix(".away"))
    for seed in range(FLIPS):
        kept.write_bytes(flipped(content, seed))
        with pytest.raises(image.Unfit, match="cannot be read"):
            image._unpacked(facts, packed)
    packed.with_suffix(".away").rename(packed)
    assert image._unpacked(facts, packed) == content
    assert kept.read_bytes() == content, "the damaged file was replaced"


def tell(folder, *, is_sealed=True, **changed):
    """Write other facts of the image into the index of ``folder``; None removes one."""
    told = {name: value for name, value in {**facts, **changed}.items() if value is not None}
    if is_sealed and set(image.SEALED) <= set(told):
        told["seal"] = image.seal(told)
    (folder / "index.json").write_text(json.dumps({"images": {image.key(): told}}))


def test_an_image_that_the_index_does_not_describe_is_refused(copy):
    tell(copy, unpacked_sha256="0" * 64)
    assert image.loaded() is None
    assert "is not the file that native/index.json describes" in image.unfit()


def test_an_image_of_another_layout_is_refused(copy):
    tell(copy, reaches=dict.fromkeys(facts["reaches"], "1000000"))
    assert image.loaded() is None
    assert "of another layout than this version reads" in image.unfit()


@pytest.mark.parametrize(
    "changed",
    [
        *({name: None} for name in image.SEALED),
        {"cpu": []},
        {"file": 3},
        {"file": "a\0b"},
        {"unpacked_sha256": 3},
        {"reaches": dict.fromkeys(facts["reaches"] if facts else (), "")},
        {"reaches": {}},
        {"reaches": []},
    ],
    ids=str,
)
def test_odd_facts_are_refused_in_words(copy, changed):
    tell(copy, **changed)
    assert image.loaded() is None
    assert "another layout" in image.unfit()


def test_a_level_that_is_not_known_is_no_level_that_every_cpu_has(copy):
    tell(copy, cpu="x86-64-v4")
    assert image.loaded() is None
    assert "x86-64-v4, a CPU level that this version does not know" in image.unfit()


def test_an_index_merged_line_by_line_is_refused(copy):
    """The sources of two branches and the image of one: it would run with the record layouts of the other."""
    tell(copy, is_sealed=False, files={**facts["files"], "domain/types.py": "0" * 64})
    assert image.loaded() is None
    assert "damaged or merged" in image.unfit()


def repacked(folder, header=None, length=None):
    """Write an image with another header or length, which its index describes."""
    content = lzma.decompress((folder / facts["file"]).read_bytes())
    end = 16 + int.from_bytes(content[8:16], "little")
    text = content[16:end] if header is None else json.dumps({**json.loads(content[16:end]), **header}).encode()
    content = (content[:8] + len(text).to_bytes(8, "little") + text + content[end:])[:length]
    packed = lzma.compress(content, preset=0)
    (folder / facts["file"]).write_bytes(packed)
    return {"packed_sha256": sha256(packed).hexdigest(), "unpacked_sha256": sha256(content).hexdigest()}


@pytest.mark.parametrize(
    "changed",
    [
        {"length": 10},
        {"length": 10_000},
        {"header": {"pages": [10**9, 1, 1]}},
        {"header": {"pages": [-5, 10, 10]}},
        {"header": {"pages": [1, 1, 1]}},
        {"header": {"relocations": 10**12}},
        {"header": {"relocations": -1}},
        {"header": {"externals": []}},
        {"header": {"functions": {"tightloop.core.nothing": [0, 0, 0, 0]}}},
    ],
    ids=str,
)
def test_an_odd_image_is_refused_in_words(copy, changed):
    tell(copy, **repacked(copy, **changed))
    assert image.loaded() is None
    assert "another layout" in image.unfit()


def test_what_is_packed_by_other_means_is_refused_in_words(copy):
    (copy / facts["file"]).write_bytes(b"not packed")
    tell(copy, packed_sha256=sha256(b"not packed").hexdigest())
    assert image.loaded() is None
    assert "another layout" in image.unfit()


def test_a_full_disk_leaves_nothing_half_written(copy, tmp_path, monkeypatch):
    def write_half(path, content):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    assert image.loaded() is not None
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": 3}', '{"images": []}'])
def test_an_index_that_cannot_be_read_is_named(copy, text):
    (copy / "index.json").write_text(text)
    assert image.loaded() is None
    assert "index.json cannot be read" in image.unfit()


def test_without_a_folder_of_images_there_is_none_and_nothing_is_said(copy, monkeypatch, tmp_path):
    monkeypatch.setenv(image.FOLDER, str(tmp_path / "nothing"))
    assert image.loaded() is None
    monkeypatch.setenv(image.FOLDER, "off")
    image.loaded.cache_clear()
    assert image.loaded() is None
    assert image.unfit() is None


@pytest.mark.parametrize("name", image.OTHER_CODE)
def test_other_machine_code_than_the_image_has_is_compiled(copy, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert image.loaded() is None
    monkeypatch.setenv(name, image.OTHER_CODE[name][-1])
    image.loaded.cache_clear()
    assert image.loaded() is not None, "what is asked for is what the image has"


def test_every_function_has_an_address(copy):
    """The first lies at the start of the image, at offset 0."""
    assert min(places.address for places in image.loaded().functions.values()) > 0
    assert min(places.entry for places in image.loaded().functions.values()) > 0


def test_a_cpu_without_the_level_is_told_what_it_lacks(copy, monkeypatch, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu sse sse2 avx abm bmi1 bmi2 f16c movbe xsave fma\n")
    monkeypatch.setattr(image, "_CPUINFO", cpuinfo)
    assert image.loaded() is None
    assert image.unfit().endswith("is for x86-64-v3; this CPU lacks avx2")


def test_a_changed_file_costs_the_functions_that_reach_it_and_no_other(copy, monkeypatch):
    changed, name = stamps.CORE_DIR / "indicators" / "zscore.py", "tightloop.core.indicators.zscore.update"
    held = {name for name in image.loaded().functions if image.holds(name)}
    if name not in held:
        pytest.skip("the image is older than the sources; `dev.py native` renews it")
    real = stamps.content_hash
    image._is_unchanged.cache_clear()
    monkeypatch.setattr(stamps, "content_hash", lambda path: "changed" if path == changed else real(path))
    lost = {name for name in held if not image.holds(name)}
    image._is_unchanged.cache_clear()
    assert lost == {name}


def test_pages_are_never_writable_and_executable_at_once(copy):
    image.loaded()
    maps = Path("/proc/self/maps").read_text().splitlines()
    base = min(places.address for places in image.loaded().functions.values())
    regions = [line.split()[:2] for line in maps]
    held = [mode for place, mode in regions if int(place.split("-")[0], 16) <= base < int(place.split("-")[1], 16)]
    assert held == ["r-xp"]


REFUSING = """
import ctypes, sys
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit(77)
sys.argv = ["tightloop", "indicators", "--help"]
from tightloop.app.cli.main import main
from tightloop.core import state
import tightloop.app.cli.commands.indicators as command
command.indicators.callback = lambda *a, **k: state.check_invariants.call
sys.argv = ["tightloop", "indicators"]
main()
"""


def test_a_kernel_that_refuses_executable_pages_is_named_with_what_to_do():
    """Linux itself refuses here: a process may ask that no memory ever becomes executable."""
    environment = {name: value for name, value in os.environ.items() if name not in image.OTHER_CODE}
    ended = subprocess.run(
        [sys.executable, "-c", REFUSING], env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode == 77:
        pytest.skip("this kernel cannot refuse executable memory to one process (Linux 6.3 can)")
    assert ended.returncode == 2, ended.stderr
    assert "error: this system does not let memory be made executable" in ended.stderr
    assert "NUMBA_DISABLE_JIT=1" in ended.stderr


def test_the_refusal_reaches_callers_from_python_as_an_exception(copy, monkeypatch):
    monkeypatch.setattr(image, "_protect", lambda *_: -1)
    with pytest.raises(MachineCodeError, match="execmem"):
        image.loaded()


def test_a_failed_assertion_names_the_same_function_file_and_line_as_compiled_code(copy):
    entry = image.entry(state.check_invariants.name, state.check_invariants.signature, nogil=False)
    if entry is None:
        pytest.skip("the image is older than the source; `dev.py native` renews it")
    wrong = np.zeros(1, STATE)
    wrong[0]["order_count"] = 1
    told = []
    for function in (entry, compiled._compiler().compile_function(
        state.check_invariants.py_func, state.check_invariants.signature, lambda *_: None, nogil=False
    )):  # fmt: skip
        with pytest.raises(AssertionError) as raised:
            function(wrong[0])
        last = raised.traceback[-1]
        told.append((str(raised.value), last.name, str(last.path).rpartition("src/")[2], last.lineno))
    assert told[0] == told[1]
    assert told[0][2] == "tightloop/core/state.py"


WITH_AND_WITHOUT = """
import sys
from tests.parity import runs
setting = runs.Setting.random(runs.KINDS["stop_percent"], seed=2, count=300)
print(setting.run().state_hash, "numba" in sys.modules)
"""


def test_a_run_from_the_image_imports_no_compiler():
    environment = {name: value for name, value in os.environ.items() if name not in image.OTHER_CODE}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "NUMBA_DISABLE_JIT": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", WITH_AND_WITHOUT], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    if not all(image.holds(name) for name in compiled.functions() if name.startswith("tightloop.")):
        pytest.skip("the image is older than the sources; `dev.py native` renews it")
    assert ended.stdout.split()[1] == "False"
