"""Accounts that ``--account`` knows by name, where no file has that name."""

from collections.abc import Mapping
from pathlib import Path

RESEARCH = "research"
PRESETS: Mapping[str, Mapping[str, None]] = {
    RESEARCH: {"max_position_pct": None, "max_positions": None, "max_symbol_pct": None},
}
"""Limits of the account as a file of its own would write them; what is not written has its default."""


def preset_of(account: Path | None) -> str | None:
    """The name of the preset that ``--account`` asks for; None when a file is meant, or nothing.

    A file or a folder of that name wins.
    """
    if account is None or str(account) not in PRESETS or account.exists():
        return None
    return str(account)
