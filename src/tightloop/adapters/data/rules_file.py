"""Writes what a venue says of an instrument into ``instruments.yaml``; every other line stays as it was."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tightloop.adapters.data._shared import RULES_FILE
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId, read_rules


def write_rules(root: Path, instrument: InstrumentId, rules: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Set rules of one instrument; return (rule, value before, value now) of those that changed, "" for none before.

    Values are texts as YAML reads them. Rules of the entry that are not named keep their values. Raises InputError when
    the file is not one of rules, before or after.
    """
    path = root / RULES_FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if text:
        read_rules(path)
    entry = _entry_of(text, str(instrument))
    before = {} if entry is None else {key.value: _source(text, value) for key, value in entry[1].value}
    merged = {**before, **rules}
    changed = tuple((name, before.get(name, ""), value) for name, value in rules.items() if before.get(name) != value)
    if not changed:
        return ()
    line = f"{instrument}: {{{', '.join(f'{name}: {value}' for name, value in merged.items())}}}"
    if entry is None:
        written = f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"
    else:
        key, value = entry
        written = text[: key.start_mark.index] + line + _rest(text, value)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        root.mkdir(parents=True, exist_ok=True)
        temporary.write_text(written, encoding="utf-8")
        read_rules(temporary)
        temporary.replace(path)
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise InputError.one(path, None, "", message, "name a folder that can be written, with --data") from None
    finally:
        temporary.unlink(missing_ok=True)
    return changed


def _entry_of(text: str, name: str) -> tuple[Any, Any] | None:
    tree = yaml.compose(text, yaml.SafeLoader) if text else None
    entries = tree.value if isinstance(tree, yaml.MappingNode) else []
    return next(((key, value) for key, value in entries if key.value == name), None)


def _source(text: str, node: Any) -> str:
    return text[node.start_mark.index : node.end_mark.index].strip()


def _rest(text: str, node: Any) -> str:
    """Return what follows an entry. A block ends where the next entry begins, a flow mapping at its brace."""
    rest = text[node.end_mark.index :]
    return rest if node.flow_style else f"\n{rest}"
