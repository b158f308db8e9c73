"""STYLE.md as a test: `python3 tools/tidy.py` prints what breaks a rule and ends with 1 when anything does.

    tools/tidy.py --report     the numbers of the monthly review, beside their limits
    tools/tidy.py --draw N S   N docstrings of functions drawn at random with seed S, for a reader (rule 10)
    tools/tidy.py --tighten    lower the ratchets to what the tree has reached; they are never raised by a program

A ratchet (tools/tidy_ratchet.json) holds a number that is not yet where it should be: it may get better, not worse.
Standard library alone. Every check is a function of the tree that yields findings, and has a test that plants one.
"""

import ast
import io
import json
import re
import sys
import tokenize
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from tidy_language import banned_words, docstring_verbs, draw
from tidy_report import report
from tidy_shape import (
    AWAITED,
    FUNCTION_LINES_MAX,
    file_length,
    folder_width,
    function_length,
    late_import_count,
    parameter_count,
    places_of_tests,
    private_imports,
    stale_paths,
)
from tidy_tree import PACKAGE, Finding, Ratchet, Source, Tree, dotted, is_broad, length, public_definitions, string_gets

LINE_CHARACTERS_MAX = 120
CLONE_LINES_MIN = 5
MARKDOWN_PER_SOURCE_MAX = 0.5
REASON_LETTERS_MIN = 8

BANNED_PARTS = {
    word + plural
    for word in ("manager", "service", "helper", "util", "processor", "coordinator", "wrapper", "unified", "enhanced")
    for plural in ("", "s")
}
BANNED_VERBS = {"process", "handle", "do"}
BANNED_ALONE = {"data", "info", "item"}  # but the command `tightloop data` is called what it is called
NEW_ALLOWED = {"new_state", "new_log"}  # the core's empty records, as the architecture calls them

MODES = {"backtest", "paper", "live"}
MODE_BLIND = ("core", "model", "ports", "adapters")

WORLD = re.compile(
    r"(?:^|\.)(?:time\.(?:time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns|process_time)"
    r"|(?:datetime|date)\.(?:now|utcnow|today)|os\.(?:environ|getenv|urandom)|np\.random|numpy\.random)(?:$|\.)"
)
WORLD_MODULES = {"random", "secrets"}
WORLD_BLIND = ("core", "model", "ports")
WORLD_ALLOWED = {
    (f"src/{PACKAGE}/core/compiled.py", "os.environ"): "whether code is compiled; no result depends on it",
    (f"src/{PACKAGE}/core/native/image.py", "os.environ"): "where the image lies; no result depends on it",
    (f"src/{PACKAGE}/core/native/stamps.py", "os.environ"): "where compiled code is kept; no result depends on it",
}

# The entry points; the two places where code of the user is loaded and run, which may raise anything; what supervises
# the tasks of a session and reports whatever ended one: a task that dies unseen would be the worst of outcomes.
BROAD_ALLOWED = (
    f"src/{PACKAGE}/runtime/session/tasks.py",
    f"src/{PACKAGE}/runtime/python/supervise.py",
    f"src/{PACKAGE}/model/signal/python_class.py",
    f"src/{PACKAGE}/app/",
)

# Where an import may stand inside a function: whole files, or one third party in the one file that brings it in.
LAZY_FILES = {
    rf"src/{PACKAGE}/core/compiled\.py": "the compiler costs 0.5 CPU s and 90 MB; with the image nothing needs it",
    rf"src/{PACKAGE}/adapters/stores/parquet\.py": "a run without a report does not need polars: 25 MB",
}
LAZY_DEPENDENCIES = {
    "rich": (f"src/{PACKAGE}/app/cli/console.py", "tables and progress bars cost 40 ms that `--help` does not have"),
}

# Files that a folder listing, the console script, dev.py or a configuration finds, instead of an import.
DISCOVERED = re.compile(
    rf"src/{PACKAGE}/(core/(indicators|checks|families)/[^/]+|adapters/[^/]+/[^/]+|app/cli/(main|start|reference|commands/.+))\.py$"
)
# The functions every discovered file has; the docstring of the folder's package says what they do.
CONTRACT_FUNCTIONS = {"size", "warmup", "update", "check", "decide", "build"} | {
    "ends",
    "refresh",
    "refuse",
    "measure",
    "evaluate",
}

# A letter in brackets keeps these patterns from finding themselves.
STRAY = {
    "a path of one machine": r"(?<![\w.~<-])/(?:w[o]rk|r[o]ot|t[m]p|h[o]me|f[a]rm|U[s]ers)(?![\w-])",
    "a package index host": r"py[p]i\.org|python[h]osted\.org|registry\.np[m]js|deb\.deb[i]an\.org|cr[a]tes\.io",
    "not a word of the product": r"(?i)\b(?:cl[a]ude|ch[a]tgpt|co-auth[o]red-by|developer s[e]ssion|steering r[e]po)\b",
}
UNFINISHED = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|NotImplement[e]dError|f[o]r now)\b")
MARKER = re.compile(
    r"#\s*(?:type:\s*ignore(?:\[[\w, -]*\])?|noqa(?::\s*[A-Z]+\d+(?:[, ]+[A-Z]+\d+)*)?|pragma:.*?cover)"
)
IMPORT_NAMES = {
    "argon2-cffi": "argon2",
    "pyyaml": "yaml",
}  # where the name of a package is not the name it is imported by


Check = Callable[[Tree, Ratchet], Iterator[Finding]]


def name_parts(name: str) -> list[str]:
    """``OrderManager`` and ``order_manager`` both give order, manager."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


# --- size -------------------------------------------------------------------------------------------------------------


def line_length(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for path, text in tree.texts.items():
        is_generated = path.endswith(".d.ts")
        if path.endswith((".ts", ".tsx", ".sh", ".yaml")) and not is_generated:  # ruff measures Python
            for number, line in enumerate(text.splitlines(), 1):
                if len(line) > LINE_CHARACTERS_MAX:
                    yield Finding(path, number, f"{len(line)} characters; the limit is {LINE_CHARACTERS_MAX}")


def markdown_ratio(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    markdown = sum(len(text.splitlines()) for path, text in tree.texts.items() if path.endswith(".md"))
    source = sum(len(source.lines) for source in tree.package)
    if markdown > MARKDOWN_PER_SOURCE_MAX * source:
        yield Finding("docs", 0, f"{markdown} lines of Markdown for {source} of source; at most half as many")


# --- names ------------------------------------------------------------------------------------------------------------


def banned_names(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for source in tree.package + tree.tooling:
        for part in BANNED_PARTS.intersection(name_parts(source.path.rsplit("/", 1)[-1])):
            yield Finding(source.path, 0, f"'{part}' in a file's name says nothing; use the domain's noun")
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                command = "/app/cli/" in source.path and node.name == "data"
                for why in [] if command else _faults_of_name(node.name, is_class=isinstance(node, ast.ClassDef)):
                    yield Finding(source.path, node.lineno, f"{node.name}: {why}")


def _faults_of_name(name: str, *, is_class: bool) -> Iterator[str]:
    parts = name_parts(name)
    for part in BANNED_PARTS.intersection(parts):
        yield f"'{part}' says nothing; use the domain's noun"
    if re.search(r"(?i)_?v\d+$|_final$", name) and not is_class:
        yield "a version is not part of a name; replace the old one"
    if name.startswith("new_") and name not in NEW_ALLOWED:
        yield "'new_' tells history; say what it makes"
    if parts and not is_class and parts[0] in BANNED_VERBS:
        yield f"'{parts[0]}' is no exact verb"
    if name.lower() in BANNED_ALONE:
        yield f"'{name}' could be anything"


def mode_words(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for source in tree.of_layers(*MODE_BLIND):
        for node in ast.walk(source.tree):
            for name in _words_of(node, source):
                found = MODES.intersection(name_parts(name))
                if found:
                    line = getattr(node, "lineno", 0)
                    yield Finding(source.path, line, f"'{found.pop()}': {source.layer} does not know the mode")


def _words_of(node: ast.AST, source: Source) -> list[str]:
    """Identifiers and strings of one node; docstrings are prose and may say anything."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in source.docstrings:
        return [node.value]
    names = (getattr(node, attribute, None) for attribute in ("id", "attr", "arg", "name", "asname"))
    return [name for name in names if isinstance(name, str)]


def duplicate_classes(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for source in tree.package:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append((source.path, node.lineno))
    for name, (first, *others) in places.items():
        for path, line in others:
            yield Finding(path, line, f"class {name} is defined in {first[0]} too: one concept, one definition")


def duplicate_functions(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for source in tree.package + tree.tooling:
        for name, node in source.functions:
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if not body or (body[-1].end_lineno or 0) - body[0].lineno + 1 < CLONE_LINES_MIN:
                continue
            here = f"{source.path}::{name}"
            known = first.setdefault("\n".join(ast.dump(statement) for statement in body), here)
            if known != here:
                yield Finding(source.path, node.lineno, f"{name} has the same body as {known}")


# --- where the world comes in -----------------------------------------------------------------------------------------


def world_reads(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for source in tree.of_layers(*WORLD_BLIND):
        found = {(node.lineno, name) for node, name in source.imports() if _is_world(name)}
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and _is_world(dotted(node)):
                found.add((node.lineno, dotted(node)))
        for line, name in sorted(found):
            if not any(source.path == path and name.startswith(allowed) for path, allowed in WORLD_ALLOWED):
                yield Finding(
                    source.path, line, f"{name}: time, randomness and environment come as arguments or events"
                )


def _is_world(name: str) -> bool:
    return name.partition(".")[0] in WORLD_MODULES or WORLD.search(name) is not None


def broad_except(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for source in tree.package + tree.tooling:
        if not source.path.startswith(BROAD_ALLOWED):
            for node in ast.walk(source.tree):
                if isinstance(node, ast.ExceptHandler) and is_broad(node):
                    yield Finding(source.path, node.lineno, "name the exception: whose fault is it?")


def late_imports(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for source in tree.package + tree.tooling:
        if any(re.fullmatch(pattern, source.path) for pattern in LAZY_FILES):
            continue
        late = {node: name.partition(".")[0] for node, name in source.imports() if id(node) in source.inside_functions}
        for node, top in late.items():
            if LAZY_DEPENDENCIES.get(top, ("",))[0] != source.path:
                yield Finding(source.path, node.lineno, f"{ast.unparse(node)}: imported inside a function")


def string_records(tree: Tree, ratchet: Ratchet) -> Iterator[Finding]:
    counts = {s.path: len(string_gets(s)) for s in tree.package if s.layer != "adapters"}
    if sum(counts.values()) > ratchet.string_gets_max:
        worst = ", ".join(f"{path} {count}" for path, count in counts.items() if count)
        yield Finding(
            f"src/{PACKAGE}",
            0,
            f'.get("...") outside adapters: {sum(counts.values())}, the ratchet is {ratchet.string_gets_max} ({worst})',
        )


def path_lists(tree: Tree, ratchet: Ratchet) -> Iterator[Finding]:
    """Yield entries of the lists of this file and of pyproject.toml that no longer match anything."""
    lists = {
        "WORLD_ALLOWED": [re.escape(path) for path, _ in WORLD_ALLOWED],
        "BROAD_ALLOWED": [re.escape(path) for path in BROAD_ALLOWED],
        "LAZY_FILES": list(LAZY_FILES),
        "AWAITED": [re.escape(f"src/{module.replace('.', '/')}.py") for module in AWAITED],
        "LAZY_DEPENDENCIES": [re.escape(path) for path, _ in LAZY_DEPENDENCIES.values()],
    }
    patterns = {pattern: name for name, entries in lists.items() for pattern in entries}
    yield from stale_paths(tree, ratchet, patterns=patterns)


# --- truth ------------------------------------------------------------------------------------------------------------


def asserts_per_function(tree: Tree) -> float:
    core = tree.of_layers("core")
    functions = sum(len(source.functions) for source in core)
    asserts = sum(isinstance(node, ast.Assert) for source in core for node in ast.walk(source.tree))
    return asserts / functions if functions else 0.0


def core_asserts(tree: Tree, ratchet: Ratchet) -> Iterator[Finding]:
    found = asserts_per_function(tree)
    if found < ratchet.core_asserts_per_function_min:
        yield Finding(
            f"src/{PACKAGE}/core",
            0,
            f"{found:.2f} asserts per function, the ratchet is {ratchet.core_asserts_per_function_min:.2f}",
        )


def module_docstrings(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for source in tree.package + tree.tooling:
        if source.tree.body and ast.get_docstring(source.tree) is None:
            yield Finding(source.path, 1, "a module says in its docstring what it is for")


def undocumented(tree: Tree) -> list[Finding]:
    """Public classes and functions without a docstring, but those whose contract stands in their package."""
    return [
        Finding(source.path, node.lineno, f"{name} has no docstring")
        for source in tree.package
        for name, node in public_definitions(source)
        if ast.get_docstring(node) is None and not (DISCOVERED.match(source.path) and name in CONTRACT_FUNCTIONS)
    ]


def public_docstrings(tree: Tree, ratchet: Ratchet) -> Iterator[Finding]:
    found = undocumented(tree)
    if len(found) > ratchet.undocumented_max:
        message = f"{len(found)} public names without a docstring, the ratchet is {ratchet.undocumented_max}:"
        yield Finding(f"src/{PACKAGE}", 0, "\n    ".join([message, *map(str, found)]))


def dead_modules(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    named = {name for source in tree.package for _, name in source.imports()}
    for source in tree.package:
        strings = (node.value for node in ast.walk(source.tree) if isinstance(node, ast.Constant))
        named.update(value.partition(":")[0] for value in strings if isinstance(value, str))
    for source in tree.package:
        if source.path.endswith(("/__init__.py", "/__main__.py")) or DISCOVERED.match(source.path):
            continue
        if source.module not in named and source.module not in AWAITED:
            yield Finding(source.path, 0, "nothing imports it: remove it, or name its folder as discovered")
    for module in AWAITED:
        if module in named:
            yield Finding("tools/tidy_shape.py", 0, f"AWAITED: {module} is imported now: take it from the list")


def reasons(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for source in tree.python:
        if "ignore" in source.text or "noqa" in source.text or "pragma" in source.text:
            for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
                if token.type == tokenize.COMMENT and MARKER.search(token.string):
                    if len(re.findall(r"[A-Za-z]", MARKER.sub("", token.string))) < REASON_LETTERS_MIN:
                        yield Finding(
                            source.path, token.start[0], f"{token.string.strip()}: its reason is not on the line"
                        )
        for node in ast.walk(source.tree):
            name = dotted(node.func) if isinstance(node, ast.Call) else ""
            if re.search(r"pytest\.(mark\.)?(skip|skipif|xfail)$", name) and isinstance(node, ast.Call):
                first_is_reason = not name.startswith("pytest.mark.") and node.args
                if not first_is_reason and not any(keyword.arg == "reason" for keyword in node.keywords):
                    yield Finding(source.path, node.lineno, f"{name} without a reason")
        for name, function in source.functions:
            if any(dotted(mark) in {"pytest.mark.skip", "pytest.mark.xfail"} for mark in function.decorator_list):
                yield Finding(source.path, function.lineno, f"{name} is skipped without a reason")


def unfinished(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for path, text in tree.texts.items():
        if path.startswith(("src/", "ui/src/")):
            for number, line in enumerate(text.splitlines(), 1):
                if found := UNFINISHED.search(line):
                    yield Finding(path, number, f"'{found.group()}': finish it or leave it out")


def stray_words(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    for path, text in tree.texts.items():
        for why, pattern in STRAY.items():
            for found in re.finditer(pattern, text):
                yield Finding(path, text.count("\n", 0, found.start()) + 1, f"'{found.group()}' is {why}")


# --- dependencies -----------------------------------------------------------------------------------------------------


def _normal(requirement: str) -> str:
    """The name of a requirement in the form package indexes compare by."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def dependencies(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    if "pyproject.toml" not in tree.texts:
        return
    definition = tomllib.loads(tree.texts["pyproject.toml"])
    runtime = {_normal(text) for text in definition["project"].get("dependencies", [])}
    extras = {_normal(t) for texts in definition["project"].get("optional-dependencies", {}).values() for t in texts}
    build = {_normal(text) for text in definition["build-system"]["requires"]}
    pins = [line.partition("#")[0].strip() for line in tree.texts.get("requirements.lock", "").splitlines()]
    pinned = {_normal(pin) for pin in pins if "==" in pin}
    for name in sorted((runtime | extras | build) - pinned):
        yield Finding("requirements.lock", 0, f"{name} is declared in pyproject.toml and has no exact version here")
    imported = {name.split(".")[0]: s.path for s in tree.package for _, name in s.imports()}
    for name in sorted(runtime):
        if IMPORT_NAMES.get(name, name.replace("-", "_")) not in imported:
            yield Finding("pyproject.toml", 0, f"{name} is a dependency that nothing imports")
    declared = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in runtime | extras}
    for top in sorted(imported.keys() - declared - sys.stdlib_module_names - {PACKAGE, ""}):
        yield Finding(imported[top], 0, f"{top} is imported and not declared in pyproject.toml")


CHECKS: list[Check] = [
    function_length,
    file_length,
    folder_width,
    parameter_count,
    path_lists,
    places_of_tests,
    line_length,
    markdown_ratio,
    banned_names,
    banned_words,
    docstring_verbs,
    mode_words,
    duplicate_classes,
    duplicate_functions,
    world_reads,
    broad_except,
    late_imports,
    late_import_count,
    private_imports,
    string_records,
    core_asserts,
    module_docstrings,
    public_docstrings,
    dead_modules,
    reasons,
    unfinished,
    stray_words,
    dependencies,
]


def tightened(tree: Tree, ratchet: Ratchet) -> Ratchet:
    """The ratchet at what the tree has reached, where that is better."""
    lengths = {f"{s.path}::{n}": length(f) for s in tree.package + tree.tooling for n, f in s.functions}
    gets = sum(len(string_gets(source)) for source in tree.package if source.layer != "adapters")
    return Ratchet(
        function_lines={
            name: min(lines, lengths[name])
            for name, lines in ratchet.function_lines.items()
            if lengths.get(name, 0) > FUNCTION_LINES_MAX
        },
        string_gets_max=min(ratchet.string_gets_max, gets),
        undocumented_max=min(ratchet.undocumented_max, len(undocumented(tree))),
        core_asserts_per_function_min=max(
            ratchet.core_asserts_per_function_min, int(asserts_per_function(tree) * 100) / 100
        ),
    )


def main(arguments: list[str]) -> int:
    """Run the checks, or what the option asks for; the exit code."""
    root = Path(__file__).resolve().parent.parent
    ratchet_file = root / "tools" / "tidy_ratchet.json"
    tree = Tree(root)
    ratchet = Ratchet(**json.loads(ratchet_file.read_text(encoding="utf-8")))
    if arguments == ["--report"]:
        print(report(tree, asserts_per_function(tree), len(list(duplicate_functions(tree, ratchet)))))
        return 0
    if arguments == ["--tighten"]:
        better = json.dumps(tightened(tree, ratchet).__dict__, indent=2)
        ratchet_file.write_text(better + "\n", encoding="utf-8")
        return 0
    if len(arguments) == 3 and arguments[0] == "--draw" and arguments[1].isdigit() and arguments[2].isdigit():
        print(draw(tree, int(arguments[1]), int(arguments[2])))
        return 0
    if arguments:
        print(__doc__)
        return 2
    findings = [(check.__name__, finding) for check in CHECKS for finding in check(tree, ratchet)]
    for name, finding in findings:
        print(f"{finding} [{name}]")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
