"""The guide runs: every command of README and docs in reading order, in one folder that holds what a fresh clone holds.

What is run, and how a page says that a command ends with another code than 0, is told in docs/index.md.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tightloop.core.compiled import DISABLE_JIT

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("tightloop", "python3", "cp", ".")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$|^(?: {4}[^\n]*\n(?:\n(?= {4}))?)+", re.DOTALL | re.MULTILINE)
SAVED = re.compile(r"[Ss]ave (?:it|this|them) as ((?:`[^`]+`(?:, | and )?)+)")
ENDS = re.compile(r"#\s*ends with (\d+)")
OTHERS = {
    "dev.py test": "it runs this very test",
    "dev.py bench": "it measures for minutes",
    "dev.py ui": "it fetches Node; dev.py test builds and checks the pages before this",
    "DATA": "your own data",
}
"""Commands that are not run, by what is in them, and why."""


@dataclass(frozen=True)
class Deed:
    """What a page asks for: a file to save, a script of Python, or a command with the code it ends with."""

    page: str
    kind: str
    text: str
    name: str = ""
    code: int = 0


def pages():
    """README, the index, and the pages of its table from top to bottom; after a folder's index its other pages."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = [ROOT / "docs" / name for name in re.findall(r"^\|.*\]\(([\w/-]+\.md)\) \|$", index, re.MULTILINE)]
    found = [ROOT / "README.md", ROOT / "docs" / "index.md"]
    for page in listed:
        found.append(page)
        if page.name == "index.md":
            found += sorted(own for own in page.parent.glob("*.md") if own != page)
    return found


def deeds(page, text):
    """What a page asks for, in its order; a saved block comes before the commands after it."""
    found, names = [], {}
    blocks = list(BLOCK.finditer(text))
    for said in SAVED.finditer(text):
        before = [at for at, block in enumerate(blocks) if block.end() <= said.start()]
        files = re.findall(r"`([^`]+)`", said[1])
        names |= dict(zip(before[-len(files) :], files, strict=True))
    for at, block in enumerate(blocks):
        language, fenced = block[1], block[2]
        if at in names:
            found.append(Deed(page, "save", fenced, names[at]))
        elif language == "python" and "import tightloop" in fenced:
            found.append(Deed(page, "python", fenced))
        elif language is None:
            lines = [line.strip() for line in block[0].splitlines()]
            for line in lines:
                if line.split(" ")[0] in COMMANDS:
                    ends = ENDS.search(line)
                    found.append(Deed(page, "run", line, code=int(ends[1]) if ends else 0))
    return found


def all_deeds():
    return [deed for page in pages() for deed in deeds(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))]


def test_a_page_is_read_as_a_person_reads_it():
    text = (
        "```yaml\nname: a\n```\n\nSave it as `a.yaml`:\n\n    tightloop validate a.yaml\n"
        "    tightloop validate b.yaml    # ends with 2: there is no such file\n\nIt prints\n\n"
        "    a.yaml: a is valid\n\n"
        "```python\nimport tightloop\n```\n```python\nclass A:\n    pass\n```\n"
    )
    assert deeds("p", text) == [
        Deed("p", "save", "name: a\n", "a.yaml"),
        Deed("p", "run", "tightloop validate a.yaml"),
        Deed("p", "run", "tightloop validate b.yaml    # ends with 2: there is no such file", code=2),
        Deed("p", "python", "import tightloop\n"),
    ]
    two = "```yaml\na\n```\n```python\nb\n```\nSave them as `a.yaml` and `b.py`:\n"
    assert [(deed.name, deed.text) for deed in deeds("p", two)] == [("a.yaml", "a\n"), ("b.py", "b\n")]


def test_the_pages_are_read_in_the_order_of_the_index():
    names = [page.relative_to(ROOT).as_posix() for page in pages()]
    assert names[:4] == ["README.md", "docs/index.md", "docs/getting-started.md", "docs/strategies.md"]
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md") if "adr" not in path.parts}
    assert there - set(names) == set(), "a page that the index does not name"


def test_every_line_that_looks_like_a_command_is_one_that_is_run():
    written = [
        (path.name, line.strip())
        for path in pages()
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("    tightloop ", "    python3 "))
    ]
    run = [(Path(deed.page).name, deed.text) for deed in all_deeds() if deed.kind == "run"]
    assert [line for line in written if line not in run] == []
    assert len(run) > 30


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What a fresh clone holds, with an environment that is set up: the one that runs the tests."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a checkout of git, so nobody says what a clone holds")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = tmp_path_factory.mktemp("guide") / "tightloop"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    make_environment(folder)
    return folder


def make_environment(folder):
    """A ``.venv`` that `dev.py` finds complete, whose programs are those of this Python."""
    scripts = folder / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "python").symlink_to(sys.executable)
    (scripts / "python3").symlink_to(sys.executable)
    script = scripts / "tightloop"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tightloop.app.cli.main "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    (scripts / "activate").write_text("", encoding="utf-8")
    code = "import dev; own = dev.choose_environment(None); own.write_stamp(own.stamp(dev.ALL))"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


def do(deed, folder):
    """Do what a page asks for; (exit code, what was said)."""
    if deed.kind == "save":
        (folder / deed.name).write_text(deed.text, encoding="utf-8")
        return 0, ""
    paths = os.pathsep.join((str(folder / ".venv" / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    command = [sys.executable, "-c", deed.text] if deed.kind == "python" else ["sh", "-c", deed.text]
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": paths, "COLUMNS": "120"}, capture_output=True, text=True,
        check=False, timeout=900,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.skipif(DISABLE_JIT, reason="minutes of ticks as plain Python")
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a shell of Unix")
def test_every_command_of_the_guide_ends_as_its_page_says(clone):
    said = {}
    for deed in all_deeds():
        if any(part in shlex.split(deed.text, comments=True) or part in deed.text for part in OTHERS):
            continue
        code, output = do(deed, clone)
        assert code == deed.code, f"{deed.page}: {deed.text}\nended with {code}, not {deed.code}:\n{output}"
        assert "Traceback" not in output, f"{deed.page}: {deed.text}\n{output}"
        said.setdefault(deed.text, []).append(output)
    (sample,) = said["tightloop data sample --carry --out .data/carry"]
    assert "synthetic" in sample
    again = said["tightloop data sample --carry --out .data/carry --replace"]
    assert all("replaces the sample that was made with" in output for output in again)
    (replaced,) = said["tightloop backtest strategies/multi_symbol.yaml --data .data/sample --out runs/first"]
    assert re.search(r"replaces the run of [\d-]+ [\d:]+ UTC \(first, config \w{16}\) in runs/first", replaced)
    assert "synthetic data" in replaced
    explained = said["tightloop explain runs/first"]
    assert all("synthetic data" in output for output in explained)
    (crossed,) = said["tightloop backtest my_cross.yaml --data .data/sample --out runs/my_cross"]
    assert "denied" not in crossed, "the first class of the guide asks for more than the account allows"
    first = "tightloop detect strategies/pump_1m.yaml --data lab --set variants.surge.period=30 --json figures.json"
    (detected,) = said[first]
    assert "0/5" not in detected, "the laboratory begins with a strategy that can find nothing in it"
