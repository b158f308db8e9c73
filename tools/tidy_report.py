"""The numbers of the monthly review (`tools/tidy.py --report`): ours beside the limits we set ourselves."""

import ast
from collections import Counter
from statistics import median

from tidy_tree import Source, Tree, dotted, is_broad, length, string_gets

CLOCKS = (
    "time.time",
    "time.monotonic",
    "time.perf_counter",
    "datetime.now",
    "datetime.utcnow",
    "os.environ",
    "os.getenv",
)
LOGGERS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def p90(values: list[int]) -> int:
    """The smallest value that nine in ten do not exceed; 0 of nothing."""
    return sorted(values)[-(-len(values) * 9 // 10) - 1] if values else 0


def spread(values: list[int]) -> str:
    """median / p90 / max."""
    return f"{median(values):.0f} / {p90(values)} / {max(values)}" if values else "-"


def import_cycles(sources: list[Source], *, with_late: bool) -> int:
    """Groups of modules that reach each other by imports; with or without imports inside functions."""
    modules = {source.module for source in sources}
    edges: dict[str, set[str]] = {module: set() for module in modules}
    for source in sources:
        for node, name in source.imports():
            if name in modules and name != source.module and (with_late or id(node) not in source.inside_functions):
                edges[source.module].add(name)
    reached = {module: _reachable(edges, module) for module in modules}
    in_cycle = {module for module in modules if module in reached[module]}
    return len({frozenset(other for other in reached[m] if m in reached[other]) for m in in_cycle})


def _reachable(edges: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += edges[module]
    return seen


def largest_class(sources: list[Source]) -> str:
    """methods / lines: the most of each, not necessarily of one class."""
    classes = [node for source in sources for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    methods = [sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in node.body) for node in classes]
    return f"{max(methods, default=0)} / {max(map(length, classes), default=0)}"


def swallowed(sources: list[Source]) -> int:
    """Broad handlers with no raise in them."""
    return sum(
        isinstance(node, ast.ExceptHandler)
        and is_broad(node)
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        for source in sources
        for node in ast.walk(source.tree)
    )


def clock_reads(sources: list[Source]) -> int:
    """Reads of the clock or the environment, outside app and adapters."""
    return sum(
        isinstance(node, ast.Attribute) and dotted(node).endswith(CLOCKS)
        for source in sources
        if source.layer not in ("app", "adapters")
        for node in ast.walk(source.tree)
    )


def return_annotations(sources: list[Source]) -> str:
    """Share of functions that say what they return."""
    functions = [node for source in sources for _, node in source.functions]
    annotated = sum(node.returns is not None for node in functions)
    return f"{100 * annotated / len(functions):.0f} %" if functions else "-"


def log_calls(sources: list[Source]) -> int:
    """Calls such as ``log.warning(...)`` and ``logger.info(...)``."""
    return sum(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LOGGERS
        and dotted(node.func.value).split(".")[-1] in {"log", "logger", "logging", "_log", "_logger"}
        for source in sources
        for node in ast.walk(source.tree)
    )


def report(tree: Tree, asserts_per_function: float, clones: int) -> str:
    """The table, as text. ``clones`` counts the functions with the body of another."""
    package = tree.package
    files = [len(source.lines) for source in package if source.lines]
    functions = [length(node) for source in package for _, node in source.functions]
    thousands = max(sum(files) / 1000, 0.001)
    late = sum(id(node) in source.inside_functions for source in package for node, _ in source.imports())
    classes = Counter(n.name for s in package for n in ast.walk(s.tree) if isinstance(n, ast.ClassDef))
    gets = sum(len(string_gets(source)) for source in package if source.layer != "adapters")
    cycles = f"{import_cycles(package, with_late=False)}, {import_cycles(package, with_late=True)} with late ones"
    markdown = sum(len(text.splitlines()) for path, text in tree.texts.items() if path.endswith(".md"))
    tests = sum(len(source.lines) for source in tree.tests)
    decisions = sum(path.startswith("docs/adr/0") for path in tree.texts)
    rows = [
        ("measure", "limit", "ours"),
        ("source lines / test lines", "", f"{sum(files)} / {tests}"),
        ("source files: median / p90 / max lines", "150 / 350 / 600", spread(files)),
        ("functions: median / p90 / max lines", "10 / 40 / 70", spread(functions)),
        ("functions over 70 lines", "0", str(sum(lines > 70 for lines in functions))),
        ("largest class: methods / lines", "15 / 250", largest_class(package)),
        ("import cycles / names imported inside functions", "0 / 0", f"{cycles} / {late}"),
        ("swallowed broad exceptions", "2", str(swallowed(package))),
        ('.get("...") per kLOC outside adapters', "0", f"{gets / thousands:.1f}"),
        ("class names / function bodies written twice", "0 / 0", f"{sum(n > 1 for n in classes.values())} / {clones}"),
        ("clock and environment reads outside app, adapters", "0", str(clock_reads(package))),
        ("asserts per function in core", ">= 2", f"{asserts_per_function:.2f}"),
        ("return annotations", "100 %", return_annotations(package)),
        (
            "log calls per kLOC / in core",
            "3 / 0",
            f"{log_calls(package) / thousands:.1f} / {log_calls(tree.of_layers('core'))}",
        ),
        ("lines of Markdown per line of source", "0.5", f"{markdown / max(sum(files), 1):.2f}"),
        ("decisions (docs/adr)", "", str(decisions)),
        ("ns per event", "no regression > 5 %", "python3 dev.py bench"),
    ]
    return "\n".join(f"{measure:<50} {limit:>20}   {ours}" for measure, limit, ours in rows)
