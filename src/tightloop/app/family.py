"""Which family a strategy file says it is of, before anything of that family is imported."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tightloop.model import yaml_lines
from tightloop.model.carry import CarryStrategy
from tightloop.model.errors import InputError

CARRY = "carry"


def is_carry(strategies: Sequence[Any]) -> bool:
    """Whether one of some strategies (files, texts, or read already) is of the carry family."""
    return any(_is_carry(strategy) for strategy in strategies)


def _is_carry(strategy: Any) -> bool:
    if isinstance(strategy, CarryStrategy):
        return True
    if not isinstance(strategy, str | Path):
        return False
    try:
        is_text = "\n" in str(strategy)
        text = str(strategy) if is_text else Path(strategy).read_text(encoding="utf-8-sig")
        if CARRY not in text:
            return False
        written = yaml_lines.load(text, "<strategy>")[0]
    except (OSError, UnicodeDecodeError, InputError):
        return False  # who reads it next says what is wrong
    return isinstance(written, dict) and written.get("family") == CARRY
