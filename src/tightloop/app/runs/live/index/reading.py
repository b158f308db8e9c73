"""What sessions did, read from ``index.db``: the rows of one session, made whole first if no process keeps them."""

from pathlib import Path
from typing import Any

from tightloop.adapters.stores.home import Home
from tightloop.adapters.stores.index import SessionIndex
from tightloop.app.runs.live.index.keeping import catch_up

TOLD = ("sessions", "positions", "conditions", "denials", "signals", "risk_events", "controls", "instruments")


def told(root: Path, session: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the tables of TOLD that are of a session. Raises InputError, OSError."""
    home = Home(root)
    about = home.read_session(session)
    name = str(about["id"])
    runner = home.holder(about["lease"])
    if runner is None or runner["session"] != name:
        catch_up(home, name)
    index = SessionIndex(home.root)
    try:
        return {table: index.rows(table, name) for table in TOLD}
    finally:
        index.close()
