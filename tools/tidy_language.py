"""Checks of the words of the package: what a docstring begins with, and words that are not the field's.

tools/verbs.txt has the verbs a docstring of a function may begin with, one a line, in the imperative. A verb that is
missing is added there; a noun is not.
"""

import ast
import io
import random
import re
import tokenize
from collections.abc import Iterator

from tidy_tree import Finding, Ratchet, Source, Tree

VERBS = "tools/verbs.txt"

# Word of a name, a comment or a docstring -> what to write. A letter in brackets keeps the patterns from finding
# themselves.
BANNED_WORDS = {
    r"someb[o]dy|someo[n]e": "say who: the user, the venue, the strategy",
    r"nob[o]dy|everyb[o]dy": "say who, or use the passive",
    r"hea[r]d": "received, applied, known",
    r"in han[d]": "current",
    r"at wor[k]": "running, active",
    r"can no[t]": "cannot",
}
OWN = "own"


def docstring_verbs(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    """Yield the functions of the package whose docstring does not begin with a verb; properties are nouns."""
    if VERBS not in tree.texts:
        return
    verbs = set(tree.texts[VERBS].split())
    for source in tree.package:
        for name, node in source.functions:
            text = ast.get_docstring(node)
            if text is not None and not _is_property(node) and re.split(r"[^A-Za-z]", text)[0] not in verbs:
                first = text.splitlines()[0]
                yield Finding(source.path, node.lineno, f"{name}: begin with a verb ({VERBS}), not '{first[:60]}'")


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def banned_words(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    """Yield names, comments and docstrings that use a word of ``BANNED_WORDS``, and locals that are called `own`."""
    for source in tree.package:
        for line, kind, text in _prose(source):
            for pattern, remedy in BANNED_WORDS.items():
                if found := re.search(rf"(?i)\b(?:{pattern})\b", text):
                    yield Finding(source.path, line, f"'{found.group()}' in a {kind}: {remedy}")
            if kind == "name" and text == OWN:
                yield Finding(source.path, line, f"'{OWN}' says only whose it is: name it by what it is")


def _prose(source: Source) -> Iterator[tuple[int, str, str]]:
    """Yield (line, kind, text) of each docstring, comment and name that is bound; underscores of names are spaces."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) in source.docstrings:
            yield node.lineno, "docstring", node.value
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, "name", node.id.replace("_", " ")
        elif isinstance(node, ast.arg):
            yield node.lineno, "name", node.arg.replace("_", " ")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, "name", node.name.replace("_", " ")
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], "comment", token.string


def draw(tree: Tree, count: int, seed: int) -> str:
    """Return ``count`` docstrings of functions of the package, drawn with ``seed``, with their signatures, as text."""
    documented = [
        (source.path, node) for source in tree.package for _, node in source.functions if ast.get_docstring(node)
    ]
    drawn = random.Random(seed).sample(documented, min(count, len(documented)))
    parts = [
        f"{path}:{node.lineno}\n    def {node.name}({ast.unparse(node.args)})\n    {ast.get_docstring(node)}"
        for path, node in drawn
    ]
    return "\n\n".join(parts)
