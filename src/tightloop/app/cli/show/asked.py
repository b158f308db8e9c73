"""What a session was asked, and what came of it, in words; ``--json`` has the same as it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tightloop.app.cli.console import table
from tightloop.app.text.commands import session_command
from tightloop.app.text.numbers import significant

DONE = {
    "pause": "takes no entries; exits, stops and funding go on",
    "resume": "takes entries again",
    "stop": "ends now",
}
Answer = Mapping[str, Any]


def done(what: str, session: str, answer: Answer) -> list[str]:
    """Write the answer of a session to pause, resume or stop."""
    note = [f"  {answer['note']}"] if "note" in answer else []
    return [f"{session}: {DONE[what]}", *note]


def killed(answer: Answer, home: Path) -> list[str]:
    """Write whom the kill switch has reached, and what is open all the same."""
    lift = session_command("rearm", home, "--by", "NAME")
    lines = [
        f"the kill switch is engaged ({answer['scope']}), for later sessions too; `{lift}` lifts it",
        *_told(answer),
    ]
    if answer["open"]:
        rows = [
            [row["id"], row["state"], row["symbol"], significant(row["qty"]), significant(row["entry"])]
            for row in answer["open"]
        ]
        head = ["session", "state", "symbol", "quantity", "entry"]
        lines += [
            "open, and no process closes it:",
            *(f"  {line}" for line in table(head, rows)),
            "KILLED: start the session again with its command, and it flattens",
            "STOPPED: it has kept them; close them at the venue, if they are still there",
        ]
    lines += [f"cannot be read, and may have positions: {row['id']}: {row['error']}" for row in answer["failed"]]
    return lines


def rearmed(answer: Answer) -> list[str]:
    """Write for whom the kill switch was lifted."""
    return [f"the kill switch is lifted ({answer['scope']}) by {answer['by']}", *_told(answer)]


def _told(answer: Answer) -> list[str]:
    if not answer["told"]:
        return ["no session runs here"]
    return ["  {id}: {error}".format(**{"error": "knows it", **row}) for row in answer["told"]]
