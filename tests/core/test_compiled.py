"""The compile cache sees every change that matters and none that does not; the core runs without a compiler too."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tightloop.core.native import compiler, stamps

REPOSITORY = Path(__file__).resolve().parents[2]
CORE = REPOSITORY / "src" / "tightloop" / "core"

LEAF = "from tightloop.core.compiled import leaf\n\n@leaf\ndef factor():\n    return {factor}\n"
MIDDLE = (
    "from tightloop.core import leaves\nfrom tightloop.core.compiled import leaf\n\n"
    "@leaf\ndef scaled(value):\n    return value * leaves.factor()\n"
)
ENTRY = """
import sys
import numpy as np
from tightloop.core.compiled import compiled
from tightloop.core.kinds import array, float64, int64
from tightloop.core.middle import scaled

@compiled(float64(array(float64), int64))
def entry(values, at):
    return scaled(values[at])

value = entry(np.array([1.0, 2.0]), int(sys.argv[1]))
print(value, sum(entry.dispatcher.stats.cache_hits.values()) if hasattr(entry, "dispatcher") else 0)
"""


class Package:
    """A small package: the real ``compiled.py`` with what it needs, an entry, what it calls, and what that calls."""

    def __init__(self, root):
        self.root, self.core = root, root / "tightloop" / "core"
        self.core.mkdir(parents=True)
        (root / "tightloop" / "__init__.py").touch()
        (self.core / "__init__.py").touch()
        shutil.copy(CORE / "compiled.py", self.core)
        shutil.copytree(CORE / "native", self.core / "native", ignore=shutil.ignore_patterns("__pycache__"))
        (self.core / "domain").mkdir()
        (self.core / "domain" / "__init__.py").touch()
        shutil.copy(CORE / "kinds.py", self.core)
        self.write("leaves", LEAF.format(factor=3.0))
        self.write("middle", MIDDLE)
        self.write("entry", ENTRY)

    def write(self, name, text):
        (self.core / f"{name}.py").write_text(text)

    def run(self, at=1, *arguments, check=True, **environment):
        """What the entry gave, and whether its machine code came from the cache."""
        own = os.environ | {"PYTHONPATH": str(self.root), "NUMBA_CACHE_DIR": str(self.root / "cache")} | environment
        own["PYTHONDONTWRITEBYTECODE"] = "1"  # stamped in whole seconds: an edit within one is missed
        for name in {"NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"} - set(environment):
            own.pop(name, None)  # the suite itself also runs with bounds checks
        ended = subprocess.run(
            [sys.executable, "-m", "tightloop.core.entry", str(at), *arguments],
            env=own,
            capture_output=True,
            text=True,
            check=False,
        )
        if not check:
            return ended
        assert ended.returncode == 0, ended.stderr
        value, hits = ended.stdout.split()
        return float(value), hits != "0"


@pytest.fixture
def package(tmp_path):
    return Package(tmp_path)


def test_a_second_start_compiles_nothing_and_a_touch_changes_nothing(package):
    assert package.run() == (6.0, False)
    assert package.run() == (6.0, True)
    for file in package.core.rglob("*.py"):
        os.utime(file, (1, 1))
    assert package.run() == (6.0, True)


def test_a_changed_leaf_two_files_away_is_compiled_again(package):
    package.run()
    package.write("leaves", LEAF.format(factor=5.0))
    assert package.run() == (10.0, False)
    package.write("leaves", LEAF.format(factor=3.0))
    assert package.run() == (6.0, False), "the changed source has replaced the machine code of the old one"


def test_machine_code_without_bounds_checks_is_not_used_when_they_are_asked_for(package):
    package.run(at=1)
    assert package.run(at=1, NUMBA_BOUNDSCHECK="1") == (6.0, False)
    assert package.run(at=1, NUMBA_BOUNDSCHECK="1") == (6.0, True)
    refused = package.run(at=2, check=False, NUMBA_BOUNDSCHECK="1")
    assert refused.returncode != 0
    assert "IndexError" in refused.stderr
    assert package.run(at=1) == (6.0, True), "both are kept, side by side"


def test_a_cache_folder_that_can_not_be_written_costs_a_compile_and_nothing_else(package):
    (package.root / "file").write_text("in the way")
    for _ in range(2):
        assert package.run(NUMBA_CACHE_DIR=str(package.root / "file" / "below")) == (6.0, False)


def test_a_listener_hears_once_that_something_is_compiled_and_nothing_of_what_is_found(package):
    listening = "from tightloop.core.compiled import when_compiling\n"
    listening += "when_compiling(lambda is_kept: print('compiling', is_kept, file=sys.stderr))\n"
    another = "\n@compiled(float64(float64))\ndef more(x):\n    return x\n"
    two = ENTRY.replace("import sys\n", "import sys\n" + listening) + another
    package.write("entry", two)
    assert package.run(check=False).stderr == "compiling True\n"
    assert package.run(check=False).stderr == ""
    (package.root / "file").write_text("in the way")
    assert package.run(check=False, NUMBA_CACHE_DIR=str(package.root / "file" / "x")).stderr == "compiling False\n"


FULL = """
from numba.core import caching

def full(*_):
    raise OSError(28, "No space left on device")

if sys.argv[2:] == ["full"]:
    caching.IndexDataCacheFile._save_data = full
"""


def test_a_disk_that_is_full_while_code_is_kept_leaves_no_old_code_for_new_sources(package):
    package.write("entry", ENTRY.replace("import numpy as np\n", f"import numpy as np\n{FULL}"))
    assert package.run() == (6.0, False)
    package.write("leaves", LEAF.format(factor=5.0))
    assert package.run(1, "full") == (10.0, False), "the run itself goes on"
    assert package.run() == (10.0, False), "what was kept before is of other sources"
    assert package.run() == (10.0, True)


@pytest.mark.parametrize("left", [b"", b"\x00damaged"])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_cached_file_that_is_damaged_is_compiled_again(package, kind, left):
    package.run()
    for file in (package.root / "cache").glob(f"*.{kind}"):
        file.write_bytes(left)
    assert package.run() == (6.0, False)
    assert package.run() == (6.0, True)


def test_without_a_compiler_the_same_functions_are_plain_python(package):
    assert package.run(NUMBA_DISABLE_JIT="1") == (6.0, False)
    assert not (package.root / "cache").exists()


TIERS = """
import sys
import numpy as np
from tightloop.core import compiled
from tightloop.core.kinds import array, float64, int64
from tightloop.core.middle import scaled

if sys.argv[2] == "first":
    compiled.use_first_tier()

@compiled.compiled(float64(array(float64), int64))
def entry(values, at):
    return scaled(values[at])

value = entry(np.array([1.0, 2.0]), int(sys.argv[1]))
print(value, sum(entry.dispatcher.stats.cache_hits.values()), *compiled.compiled_first())
"""


def test_who_waits_gets_quick_code_until_there_is_fast_code(package):
    package.write("entry", TIERS)
    quick = ["6.0", "0", "__main__.entry"]
    assert package.run(1, "first", check=False).stdout.split() == quick
    assert package.run(1, "first", check=False).stdout.split() == ["6.0", "1", "__main__.entry"], (
        "kept, and still quick"
    )
    assert package.run(1, "fast", check=False).stdout.split() == ["6.0", "0"]
    assert package.run(1, "first", check=False).stdout.split() == ["6.0", "1"], "fast code is used once it is there"
    package.write("leaves", LEAF.format(factor=5.0))
    assert package.run(1, "first", check=False).stdout.split() == ["10.0", "0", "__main__.entry"]


# The stamp -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stamped(tmp_path, monkeypatch):
    """``source_stamp`` over a folder of its own, nothing remembered."""
    monkeypatch.setattr(stamps, "CORE_DIR", tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "compiler.py").write_text("options = 1\n")
    (tmp_path / "a.py").write_text("from tightloop.core import b\nfrom tightloop.core.folder import c\n")
    (tmp_path / "b.py").write_text("from tightloop.core.d import x\n")
    (tmp_path / "folder" / "__init__.py").write_text("c = 1\n")
    (tmp_path / "d.py").write_text("x = 1\nfrom tightloop.core import a\n")
    (tmp_path / "e.py").write_text("y = 1\n")

    def stamp(name="a.py"):
        stamps.forget()
        return compiler.source_stamp(tmp_path / name)

    yield tmp_path, stamp
    stamps.forget()


@pytest.mark.parametrize("changed", ["a.py", "b.py", "d.py", "folder/__init__.py", "native/compiler.py"])
def test_the_stamp_is_of_all_that_a_file_reaches(stamped, changed):
    root, stamp = stamped
    before = stamp()
    file = root / changed
    file.write_text(file.read_text() + "# a word\n")
    assert stamp() != before


def test_the_stamp_is_of_nothing_else(stamped):
    root, stamp = stamped
    before = stamp()
    (root / "e.py").write_text("y = 2\n")
    os.utime(root / "a.py", (1, 1))
    assert stamp() == before


def test_a_file_edited_while_it_runs_has_no_stamp_that_another_start_finds(stamped):
    """What this process imported is not what the file says by now: it must not be kept for it, nor the image taken."""
    root, stamp = stamped
    stamp("e.py")
    stamps.content_hash.cache_clear()
    (root / "e.py").write_text("y = 3000\n")
    told = compiler.source_stamp(root / "e.py")
    assert told == compiler.source_stamp(root / "e.py"), "one process, one answer"
    assert told != stamp("e.py")


def test_the_stamp_knows_the_flags(stamped, monkeypatch):
    _, stamp = stamped
    before = stamp()
    monkeypatch.setattr(compiler.numba.config, "BOUNDSCHECK", 1 if not compiler.numba.config.BOUNDSCHECK else 0)
    assert stamp() != before


def test_every_file_of_the_core_that_is_compiled_reaches_its_layouts():
    """A changed record must recompile everything: each file with compiled code imports the types, near or far."""
    types_file = CORE / "domain" / "types.py"
    for file in sorted(CORE.rglob("*.py")):
        if "@compiled(" in file.read_text() and file.name != "compiled.py":
            seen, waiting = set(), [file]
            while waiting:
                at = waiting.pop()
                if at not in seen:
                    seen.add(at)
                    waiting += stamps.imported_core_files(at, at.read_bytes())
            assert types_file in seen, file.name


# The core without a compiler, and with bounds checks ------------------------------------------------------------------

COMPARE = """
import sys
from tests.parity import runs
from tightloop.core import indicators
from tightloop.core.domain.types import BAR
for name in sys.argv[1:]:
    texts = runs.TOGETHER.get(name) or (runs.KINDS[name],)
    setting = runs.Setting.random(*texts, seed=2, count=300)
    for one_by_one in (False, True):
        done = setting.run(one_by_one=one_by_one)
        print(name, one_by_one, done.state_hash, done.run.trades.write_json())
bars = next(iter(setting.bars.values()))
for kind in ("EMA", "ADX", "SUPERTREND", "VWAP"):
    print(kind, indicators.series(kind, bars)[-3:].tolist())
"""
COMPARED = ("stop_percent", "participation_limit", "leveraged_short")


def compare(**environment):
    own = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])} | environment
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", COMPARE, *COMPARED], env=own, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_core_does_the_same_line_by_line_as_compiled():
    """Trades, state hashes and indicators of 300 bars, through both drivers, to the last bit."""
    interpreted = compare(NUMBA_DISABLE_JIT="1")
    assert interpreted == compare(NUMBA_DISABLE_JIT="0")
    assert '"exit_reason":"liquidation"' in interpreted


@pytest.mark.bounds
@pytest.mark.slow
def test_the_core_stays_within_its_arrays():
    """With bounds checks every index is looked at; what a run gives is the same."""
    assert compare(NUMBA_BOUNDSCHECK="1") == compare(NUMBA_BOUNDSCHECK="0")
