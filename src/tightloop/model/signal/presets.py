"""Named account presets for ``--account``, used when no file has that name."""

from collections.abc import Mapping
from pathlib import Path

RESEARCH = "research"
PRESETS: Mapping[str, Mapping[str, None]] = {
    RESEARCH: {"max_position_pct": None, "max_positions": None, "max_symbol_pct": None},
}
"""Account keys that each preset overrides; None is off. Keys not listed keep their defaults."""


def preset_of(account: Path | None) -> str | None:
    """Return the preset that ``--account`` names; None for a file or for no account. An existing path wins."""
    if account is None or str(account) not in PRESETS or account.exists():
        return None
    return str(account)
