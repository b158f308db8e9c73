"""The checks of shape and language that need more than one planted file, or a file that is right."""

import pytest

import tidy
import tidy_shape
from tidy_planted import APP, CORE, found, plant
from tidy_tree import Tree

VERBS = "Keep\nReturn\n"
RUFF = """
[tool.ruff.lint.per-file-ignores]
"{dev.py,src/tightloop/gone/*.py}" = ["T20"]
"src/tightloop/lost/*" = ["T20"]
"""
MYPY = '[[tool.mypy.overrides]]\nmodule = ["numba", "tightloop.gone.*"]\n'
LINTER = """
[[tool.importlinter.contracts]]
name = "planted"
containers = ["tightloop"]
layers = ["app", "core | lost", "(later)"]
ignore_imports = [
    "tightloop.core.** -> numba",
    "tightloop.adapters.chains.** -> ccxt",
    "tightloop.moved -> tightloop.app",
]
"""


def modules(tmp_path, folder: str, names: list[str]) -> Tree:
    return plant(tmp_path, {f"src/tightloop/{folder}/{name}.py": "" for name in ["__init__", *names]})


def letters(count: int) -> list[str]:
    return [chr(ord("a") + number) for number in range(count)]


def test_a_folder_of_more_modules_than_the_limit_is_found(tmp_path):
    assert found(tidy.folder_width, modules(tmp_path, "core/venue", letters(14))) == []
    assert found(tidy.folder_width, modules(tmp_path, "core/venue", letters(15))) == [
        "src/tightloop/core/venue: 15 modules; the limit is 14: make a package of some"
    ]


def test_three_modules_that_share_a_prefix_are_a_package(tmp_path):
    tree = modules(tmp_path, "model", ["carry", "carry_rates", "_carry_legs", "signal_plan", "signal"])
    assert found(tidy.folder_width, tree) == [
        "src/tightloop/model: 3 modules begin with 'carry': make a package of that name"
    ]


def test_rooms_that_are_flat_on_purpose_are_not_measured(tmp_path):
    assert found(tidy.folder_width, modules(tmp_path, "core/indicators", [f"avg_{name}" for name in letters(20)])) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/tightloop/app/cli/main.py", "@main.command()\ndef run(a, b, c, d, e, f, g, h, i, j, k):\n    pass\n"),
        (
            "src/tightloop/core/replay/bars.py",
            "@compiled(REPLAY)\ndef replay(a, b, c, d, e, f, g, h, i, j, k):\n    pass\n",
        ),
        ("src/tightloop/runtime/python/view.py", "def buy(*, a, b, c, d, e, f, g, h, i, j, k):\n    pass\n"),
    ],
    ids=["command", "compiled loop", "keywords of the public API"],
)
def test_options_arrays_and_keywords_of_the_public_api_may_be_many(tmp_path, path, text):
    assert found(tidy.parameter_count, plant(tmp_path, {path: text})) == []
    assert found(tidy.parameter_count, plant(tmp_path, {CORE: text})) != []


def test_imports_inside_functions_are_counted_over_the_whole_package(tmp_path):
    late = "def f():\n" + "".join(f"    import a{number}\n" for number in range(tidy_shape.LATE_IMPORTS_MAX))
    assert found(tidy.late_import_count, plant(tmp_path, {APP: late})) == []
    (finding,) = found(tidy.late_import_count, plant(tmp_path, {CORE: "def f():\n    import b\n"}))
    assert "9 imports inside functions; the limit is 8" in finding
    assert f"{CORE}:2" in finding


def test_an_entry_of_a_list_of_paths_that_matches_nothing_is_found(tmp_path):
    tree = plant(tmp_path, {"pyproject.toml": RUFF + MYPY + LINTER, CORE: "", APP: "", "dev.py": ""})
    findings = "\n".join(found(tidy.path_lists, tree))
    for expected in (
        "BROAD_ALLOWED: src/tightloop/runtime/python/supervise\\.py matches no file",
        "per-file-ignores: src/tightloop/lost/* matches no file",
        "mypy's overrides: tightloop.gone.* is no module",
        "contract 'planted': tightloop.lost is no module",
        "contract 'planted': tightloop.moved is no module",
    ):
        assert expected in findings
    assert "later" not in findings
    assert "chains" not in findings, "a package that has rules before it has code"


def test_a_package_that_has_come_is_no_longer_excused(tmp_path):
    tree = plant(tmp_path, {"pyproject.toml": "", "src/tightloop/adapters/chains/planted.py": ""})
    assert any("COMING: tightloop.adapters.chains has come" in text for text in found(tidy.path_lists, tree))


def test_a_docstring_of_a_function_begins_with_a_verb(tmp_path):
    text = (
        'def f():\n    """The price."""\n\ndef g():\n    """Return the price."""\n\nclass C:\n    """A price."""\n\n'
        '    @property\n    def h(self):\n        """The price, as a property."""\n'
    )
    tree = plant(tmp_path, {CORE: text, "tools/verbs.txt": VERBS})
    assert found(tidy.docstring_verbs, tree) == [f"{CORE}:1: f: begin with a verb (tools/verbs.txt), not 'The price.'"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/core/test_planted.py", []),
        ("tests/core/planted.py", []),
        ("tests/core/test_many_things.py", []),
        ("tests/core/windows/test_many_things.py", []),
        ("tests/sim/test_planted.py", []),
        ("tests/core/gone/test_many_things.py", ["there is no package src/tightloop/core/gone"]),
        ("tests/app/test_planted.py", ["planted.py is src/tightloop/core/planted.py: put its test there"]),
    ],
)
def test_a_test_stands_where_its_module_does(tmp_path, path, expected):
    findings = found(tidy.places_of_tests, plant(tmp_path, {CORE: "", "src/tightloop/app/main.py": "", path: ""}))
    assert len(findings) == len(expected)
    assert all(text in finding for text, finding in zip(expected, findings, strict=True))
