"""Every check of tools/tidy.py must be able to fail: each test plants one violation and sees it found."""

import json
import re
from pathlib import Path

import pytest

import tidy
import tidy_report
from tidy_planted import ADAPTER, APP, CORE, MODEL, found, plant
from tidy_tree import Source


def body(lines: int) -> str:
    return "def planted():\n" + "".join(f"    x{i} = {i}\n" for i in range(lines - 1))


# --- one violation for each check -------------------------------------------------------------------------------------

VIOLATIONS = [
    (tidy.function_length, CORE, body(71), "planted has 71 lines; the limit is 70"),
    (tidy.file_length, CORE, "x = 1\n" * 501, "501 lines"),
    (tidy.line_length, "strategies/planted.yaml", "x: " + "1" * 120, "123 characters"),
    (tidy.markdown_ratio, "docs/planted.md", "words\n" * 10, "10 lines of Markdown for 0 of source"),
    (tidy.banned_names, CORE, "class OrderManager:\n    pass\n", "'manager' says nothing"),
    (tidy.banned_names, CORE, "class ServiceRegistry:\n    pass\n", "'service' says nothing"),
    (tidy.banned_names, CORE, "def order_utils():\n    pass\n", "'utils' says nothing"),
    (tidy.banned_names, "src/tightloop/core/helpers.py", "", "'helpers' in a file's name"),
    (tidy.banned_names, CORE, "def match_v2():\n    pass\n", "a version is not part of a name"),
    (tidy.banned_names, CORE, "def match_final():\n    pass\n", "a version is not part of a name"),
    (tidy.banned_names, CORE, "def new_match():\n    pass\n", "'new_' tells history"),
    (tidy.banned_names, CORE, "def handle_order():\n    pass\n", "'handle' is no exact verb"),
    (tidy.banned_names, CORE, "class Data:\n    pass\n", "'Data' could be anything"),
    (tidy.banned_words, CORE, "x = 1  # nob" + "ody asks\n", "in a comment: say who"),
    (tidy.banned_words, CORE, "def f():\n    '''Return what was hea" + "rd.'''\n", "in a docstring: received"),
    (tidy.banned_words, CORE, "def in_hand(x):\n    pass\n", "in a name: current"),
    (tidy.banned_words, CORE, "def f(own):\n    pass\n", "'own' says only whose it is"),
    (tidy.parameter_count, CORE, "def f(a, b, c, d, e, f, g, h, i, j, *, k):\n    pass\n", "f has 11 parameters"),
    (tidy.mode_words, CORE, "is_live = True\n", "'live': core does not know the mode"),
    (tidy.mode_words, MODEL, "def f(backtest_only):\n    pass\n", "'backtest': model does not know the mode"),
    (tidy.mode_words, ADAPTER, "mode = 'paper'\n", "'paper': adapters does not know the mode"),
    (tidy.mode_words, "src/tightloop/ports.py", "class LiveFeed:\n    pass\n", "'live': ports does not know the mode"),
    (tidy.world_reads, CORE, "import time\nnow = time.time()\n", "time.time"),
    (tidy.world_reads, CORE, "from time import monotonic\n", "time.monotonic"),
    (tidy.world_reads, MODEL, "import datetime\nx = datetime.datetime.now()\n", "datetime.datetime.now"),
    (tidy.world_reads, MODEL, "import os\nx = os.environ['X']\n", "os.environ"),
    (tidy.world_reads, CORE, "import random\n", "random"),
    (tidy.world_reads, CORE, "import numpy as np\nx = np.random.rand()\n", "np.random"),
    (tidy.broad_except, ADAPTER, "try:\n    x = 1\nexcept Exception:\n    x = 2\n", "name the exception"),
    (tidy.broad_except, ADAPTER, "try:\n    x = 1\nexcept:\n    x = 2\n", "name the exception"),
    (tidy.broad_except, CORE, "try:\n    x = 1\nexcept (KeyError, BaseException):\n    x = 2\n", "name the exception"),
    (tidy.late_imports, APP, "def f():\n    import polars\n", "import polars: imported inside a function"),
    (tidy.private_imports, CORE, "from tightloop.core.rules import _fold\n", "_fold is private to its module"),
    (tidy.string_records, APP, "x = {}.get('price')\n", "outside adapters: 1, the ratchet is 0"),
    (tidy.module_docstrings, CORE, "x = 1\n", "a module says in its docstring"),
    (tidy.public_docstrings, CORE, "class Order:\n    pass\n", "Order has no docstring"),
    (tidy.public_docstrings, CORE, "class _O:\n    pass\ndef size():\n    pass\n", "size has no docstring"),
    (tidy.dead_modules, CORE, "x = 1\n", "nothing imports it"),
    (tidy.reasons, CORE, "x = 1  # type: ignore[misc]\n", "its reason is not on the line"),
    (tidy.reasons, CORE, "x = 1  # noqa: E501, RUF012\n", "its reason is not on the line"),
    (tidy.reasons, CORE, "x = 1  # pragma: no cover\n", "its reason is not on the line"),
    (tidy.reasons, "tests/test_x.py", "import pytest\npytest.skip()\n", "pytest.skip without a reason"),
    (tidy.reasons, "tests/test_x.py", "@pytest.mark.skipif(True)\ndef test(): pass\n", "pytest.mark.skipif without"),
    (tidy.reasons, "tests/test_x.py", "@pytest.mark.xfail\ndef test(): pass\n", "is skipped without a reason"),
    (tidy.unfinished, CORE, f"# {'TO'}{'DO'} later\n", "finish it or leave it out"),
    (tidy.unfinished, CORE, f"raise {'NotImplemented'}{'Error'}\n", "finish it or leave it out"),
    (tidy.stray_words, "docs/planted.md", f"see {'/ro'}{'ot'}/notes\n", "a path of one machine"),
    (tidy.stray_words, "docs/planted.md", f"from {'pypi'}{'.org'}\n", "a package index host"),
    (tidy.stray_words, CORE, f"# asked {'Cla'}{'ude'}\n", "not a word of the product"),
]


@pytest.mark.parametrize(("check", "path", "text", "expected"), VIOLATIONS, ids=lambda v: getattr(v, "__name__", None))
def test_a_planted_violation_is_found(tmp_path, check, path, text, expected):
    findings = found(check, plant(tmp_path, {path: text}))
    assert any(expected in finding and finding.startswith(path) for finding in findings) or (
        check in (tidy.markdown_ratio, tidy.string_records, tidy.public_docstrings) and expected in "".join(findings)
    ), findings


def test_every_check_is_planted_somewhere():
    elsewhere = {tidy.duplicate_classes, tidy.duplicate_functions, tidy.core_asserts, tidy.dependencies}
    elsewhere |= {
        tidy.folder_width,
        tidy.late_import_count,
        tidy.path_lists,
        tidy.places_of_tests,
        tidy.docstring_verbs,
    }  # test_tidy_shape.py
    assert {check for check, *_ in VIOLATIONS} | elsewhere == set(tidy.CHECKS)


def test_a_class_defined_twice_is_found(tmp_path):
    tree = plant(tmp_path, {CORE: "class Order:\n    pass\n", MODEL: "class Order:\n    pass\n"})
    assert found(tidy.duplicate_classes, tree) == [
        f"{MODEL}:1: class Order is defined in {CORE} too: one concept, one definition"
    ]


def test_a_function_written_twice_is_found_whatever_its_name_and_docstring(tmp_path):
    copy = body(7).replace("planted", "copied").replace(":\n", ':\n    """Says more."""\n', 1)
    assert found(tidy.duplicate_functions, plant(tmp_path, {CORE: body(7), MODEL: copy})) == [
        f"{MODEL}:1: copied has the same body as {CORE}::planted"
    ]


def test_fewer_asserts_in_the_core_than_the_ratchet_are_found(tmp_path):
    tree = plant(tmp_path, {CORE: "def f(x):\n    assert x\ndef g(x):\n    return x\n"})
    assert found(tidy.core_asserts, tree, tidy.Ratchet(core_asserts_per_function_min=0.5)) == []
    assert (
        "0.50 asserts per function, the ratchet is 0.60"
        in found(tidy.core_asserts, tree, tidy.Ratchet(core_asserts_per_function_min=0.6))[0]
    )


PYPROJECT = """
[build-system]
requires = ["builder>=1"]
[project]
dependencies = ["pyyaml>=6", "unused-one"]
optional-dependencies = {test = ["tester[fast]>=2"]}
"""


def test_dependencies_that_are_unused_undeclared_or_unpinned_are_found(tmp_path):
    files = {
        "pyproject.toml": PYPROJECT,
        "requirements.lock": "PyYAML==6.0.3\nTester==2.1  # extra\nunused_one>=1\n",
        CORE: "import yaml, os\nimport undeclared.part\nimport tightloop.core\n",
    }
    assert found(tidy.dependencies, plant(tmp_path, files)) == [
        "requirements.lock: builder is declared in pyproject.toml and has no exact version here",
        "requirements.lock: unused-one is declared in pyproject.toml and has no exact version here",
        "pyproject.toml: unused-one is a dependency that nothing imports",
        f"{CORE}: undeclared is imported and not declared in pyproject.toml",
    ]


# --- what must pass ---------------------------------------------------------------------------------------------------

INNOCENT = [
    (tidy.function_length, CORE, body(70)),
    (tidy.banned_names, CORE, "def new_state():\n    pass\nclass Fill:\n    pass\ndef data_hash():\n    pass\n"),
    (tidy.mode_words, CORE, '"""Used by backtest, paper and live."""\nx = "delivered alive"  # live\n'),
    (tidy.mode_words, "src/tightloop/runtime/backtest/bars.py", "mode = 'live'\n"),
    (tidy.world_reads, "src/tightloop/core/compiled.py", "import os\nx = os.environ.get('NUMBA_CACHE_DIR')\n"),
    (tidy.world_reads, "src/tightloop/adapters/notify/mail.py", "import time\nx = time.time()\n"),
    (tidy.broad_except, "src/tightloop/runtime/python/supervise.py", "try:\n    x = 1\nexcept Exception:\n    x = 2\n"),
    (tidy.late_imports, "src/tightloop/adapters/stores/parquet.py", "def f():\n    import polars\n"),
    (tidy.late_imports, "src/tightloop/app/cli/console.py", "def f():\n    from rich.progress import Progress\n"),
    (tidy.string_records, ADAPTER, "x = {}.get('price')\n"),
    (tidy.string_records, APP, "x = router.get('/orders')\n"),
    (tidy.public_docstrings, "src/tightloop/core/indicators/ema.py", "def size():\n    pass\n"),
    (tidy.dead_modules, "src/tightloop/core/indicators/ema.py", "x = 1\n"),
    (tidy.reasons, CORE, "x = 1  # type: ignore[misc]  # the library has no types\n"),
    (tidy.reasons, "tests/test_x.py", "import pytest\npytest.skip('no catalog here')\n"),
    (tidy.stray_words, "docs/planted.md", "a work/home balance, and/or/root, https://example.com/home/x\n"),
]


@pytest.mark.parametrize(("check", "path", "text"), INNOCENT, ids=lambda v: getattr(v, "__name__", None))
def test_what_is_allowed_is_not_found(tmp_path, check, path, text):
    assert found(check, plant(tmp_path, {path: text})) == []


def test_a_module_named_by_an_import_or_a_string_is_alive(tmp_path):
    files = {
        CORE: "",
        MODEL: "",
        "src/tightloop/app/cli/main.py": "from ...core import planted\nx = 'tightloop.model.planted:f'\n",
    }
    assert found(tidy.dead_modules, plant(tmp_path, files)) == []


def test_a_module_that_awaits_its_caller_is_alive_until_it_is_called(tmp_path, monkeypatch):
    module = "tightloop.model.planted"
    monkeypatch.setitem(tidy.AWAITED, module, "who is to call it")
    files = {f"src/{module.replace('.', '/')}.py": "x = 1\n"}
    assert found(tidy.dead_modules, plant(tmp_path / "before", files)) == []
    files["src/tightloop/app/cli/main.py"] = f"import {module}\n"
    (told,) = found(tidy.dead_modules, plant(tmp_path / "after", files))
    assert "take it from the list" in str(told)


# --- ratchets and numbers ---------------------------------------------------------------------------------------------


def test_a_ratchet_allows_what_it_holds_and_not_one_line_more(tmp_path):
    ratchet = tidy.Ratchet(function_lines={f"{CORE}::planted": 80})
    assert found(tidy.function_length, plant(tmp_path, {CORE: body(80)}), ratchet) == []
    assert "the limit is 80" in found(tidy.function_length, plant(tmp_path, {CORE: body(81)}), ratchet)[0]


def test_tightening_never_loosens(tmp_path):
    tree = plant(tmp_path, {CORE: body(75) + "x = {}.get('a')\nassert x\n"})
    loose = tidy.Ratchet({f"{CORE}::planted": 80, f"{CORE}::gone": 90}, 5, 5, 0.0)
    assert tidy.tightened(tree, loose) == tidy.Ratchet({f"{CORE}::planted": 75}, 1, 1, 1.0)
    tight = tidy.Ratchet({}, 0, 0, 2.0)
    assert tidy.tightened(tree, tight) == tight


def test_the_ratchet_file_is_a_ratchet():
    text = Path(tidy.__file__).with_name("tidy_ratchet.json").read_text(encoding="utf-8")
    assert tidy.Ratchet(**json.loads(text))


def test_the_report_counts_what_it_says(tmp_path):
    files = {
        CORE: "from tightloop.model import planted\ndef f():\n    assert f\n",
        MODEL: "def g() -> int:\n    from tightloop.core import planted\n    logger.info(planted)\n    return 1\n",
    }
    tree = plant(tmp_path, files)
    lines = dict(
        line.rsplit("  ", 1) for line in tidy_report.report(tree, tidy.asserts_per_function(tree), 0).splitlines()
    )
    ours = {name.split("  ")[0]: value.strip() for name, value in lines.items()}
    assert ours["asserts per function in core"] == "1.00"
    assert ours["return annotations"] == "50 %"
    assert ours["functions: median / p90 / max lines"] == "3 / 4 / 4"
    assert tidy_report.import_cycles(tree.package, with_late=False) == 0
    assert tidy_report.import_cycles(tree.package, with_late=True) == 1
    assert tidy_report.log_calls(tree.package) == 1


def test_relative_imports_are_resolved():
    package = Source("src/tightloop/core/__init__.py", "from . import step\n")
    module = Source("src/tightloop/core/step.py", "from ..model.errors import InputError\n")
    assert [name for _, name in package.imports()] == ["tightloop.core", "tightloop.core.step"]
    assert [name for _, name in module.imports()] == ["tightloop.model.errors", "tightloop.model.errors.InputError"]


def test_style_names_every_check_and_no_other():
    style = (Path(tidy.__file__).parents[1] / "STYLE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\[(\w+)\]", style))
    assert named == {check.__name__ for check in tidy.CHECKS}
