"""Strategy texts that came over a network: refused, before they are read, if they name code or another file.

The check is of what the reader will see after the text's own ``set`` block, which may write any key.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from tightloop.model.errors import InputError, Problem
from tightloop.model.files import yaml_lines
from tightloop.model.files.diagnostics import value_at
from tightloop.model.files.fields import shown
from tightloop.model.files.overrides import KEY

FAMILIES = ("signal", "hold")
"""Families whose strategies are text alone."""
ELSEWHERE = ("extends", "class", "module", "code", "flows", "instruments_file", "legs")
"""Keys that name code or files, or (``legs``) make a strategy one of the family that does."""
CHARACTERS_MAX, DEPTH_MAX = 200_000, 20
HERE = "a strategy that is kept here is text alone"


def check(text: str, name: str = "<strategy>") -> None:
    """Refuse a text that needs more than itself, or that its reader would choke on. Raises InputError."""
    _check_form(text, name)
    written, line_of = yaml_lines.load(text, name)
    if not isinstance(written, dict):
        raise InputError.one(name, 1, "", "is not a mapping of keys", "write keys such as name:, family: and sections:")
    problems = []
    for path, key, value in _top(written):
        if key in ELSEWHERE:
            message = f"{key} names code or another file, and {HERE}"
            remedy = "remove the key, or start such a strategy in a terminal"
            problems.append(Problem(name, line_of(path), ".".join(path), message, remedy))
        elif key == "family" and value not in FAMILIES:
            message = f"{shown(value)} is not possible: {HERE}"
            remedy = f"write {' or '.join(FAMILIES)}; start one of another family in a terminal"
            problems.append(Problem(name, line_of(path), ".".join(path), message, remedy))
    if problems:
        raise InputError(*problems)


def is_alone(text: str) -> bool:
    """Return whether ``check`` accepts a text."""
    try:
        check(text)
    except InputError:
        return False
    return True


def _top(written: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yield path, top-level key and value of what a text writes, also by its ``set`` block."""
    for key, value in written.items():
        yield (key,), key, value
    block = value_at(written, KEY)
    for path, value in block.items() if isinstance(block, dict) else ():
        yield (KEY, path), path.split(".")[0], value


def _check_form(text: str, name: str) -> None:
    """Refuse aliases and deep nesting, event by event: a composer would recurse. Raises InputError."""
    if len(text) > CHARACTERS_MAX:
        raise InputError.one(name, None, "", f"has more than {CHARACTERS_MAX} characters", "write a shorter one")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError.one(name, None, "", "has half a character", "write it as UTF-8") from None
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml_lines.LOADER):
            line = None if event.start_mark is None else event.start_mark.line + 1
            if isinstance(event, yaml.AliasEvent):
                raise InputError.one(name, line, "", "aliases are not taken here", "write the value out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_MAX:
                raise InputError.one(name, line, "", f"is nested more than {DEPTH_MAX} deep", "write it flatter")
    except yaml.YAMLError:
        return  # the reader stops at the same place, and says where and what
