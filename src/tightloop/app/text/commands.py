"""Commands to go on with, as they are typed."""

import shlex
from pathlib import Path

HOME = Path("~/.tightloop")
"""The home folder that a command without ``--home`` means."""


def session_command(what: str, home: Path, *words: str) -> str:
    """Return ``tightloop session WHAT WORDS --home HOME``, without the home that is meant anyway."""
    where = [] if home.expanduser() == HOME.expanduser() else ["--home", str(home)]
    return shlex.join(["tightloop", "session", what, *words, *where])
