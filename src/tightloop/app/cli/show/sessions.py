"""Sessions as people read them: prices by their tick, quantities by their step, times in UTC, ages, and why not.

Everything here is in ``--json`` too, exact and with the units of ``runtime/session/driver/view.py``.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tightloop.app.cli.console import table
from tightloop.app.text.numbers import (
    MISSING,
    PERCENT,
    PERCENT_SIGNED,
    Form,
    forms,
    known,
    moment,
    number,
    significant,
    span,
    step_form,
)
from tightloop.model.instruments import InstrumentId
from tightloop.model.times import SECOND_NS
from tightloop.runtime.results.denials import meaning

ROWS_SHOWN = 10
RESULT = Form(2, signed=True)
ENDED_BADLY = ("ERROR", "KILLED")
Row = Mapping[str, Any]


def listed(rows: Sequence[Row], home: Path) -> list[str]:
    """Write the sessions of a home folder, one a line; of one without any, where they were looked for."""
    if not rows:
        where = f"no sessions in {home.absolute()}" if home.is_dir() else f"there is no folder {home.absolute()}"
        return [f"{where}: `tightloop paper FILE --venue binance-usdm` starts a session, --home names another folder"]
    now_ns = time.time_ns()
    head = ["id", "state", "since", "venue", "process", "strategies"]
    cells = [
        [
            str(row["id"]), str(row["state"]), _ago(row["since_ns"], now_ns), str(row["venue"]),
            str(row["pid"] or MISSING), str(row["strategies"]),
        ]
        for row in rows
    ]  # fmt: skip
    return table(head, cells)


def shown(view: Row) -> list[str]:
    """Write the view of a session."""
    now_ns = time.time_ns()
    parts = _Parts(view)
    where = f" at {view['url']}" if view["url"] else ""
    strategies = ", ".join(view["strategies"])
    since_ns = view["since_ns"]
    since = "" if since_ns is None else f" since {_time(since_ns)} ({_ago(since_ns, now_ns)})"
    lines = [
        f"{strategies}  {view['id']}  {str(view['mode']).upper()} on {view['venue']}{where}",
        f"{view['state']}{since}, epoch {view['epoch']}{_runner(view)}",
        *([f"because: {view['reason']}"] if view["reason"] and view["state"] in ENDED_BADLY else []),
        _money(view),
        *_feed(view),
    ]
    for title, rows in (
        ("instances", parts.instances()), ("open orders", parts.orders()), ("positions", parts.positions()),
        ("fills", parts.fills()), ("funding", parts.funding()), ("not ours, on this account", parts.foreign()),
        ("corrections", parts.corrections()),
    ):  # fmt: skip
        if len(rows) > 1:
            lines += ["", f"{title}:", *(f"  {line}" for line in table(rows[0], rows[1:]))]
        elif title in ("open orders", "positions", "fills"):
            lines += ["", f"{title}: none"]
    if view["unknown"]:
        lines += ["", "nobody has answered yet, and it is being looked up:", *(f"  {one}" for one in view["unknown"])]
    if view["refused"]:
        lines += ["", "why not:", *(f"  {line}" for row in view["refused"] for line in parts.refused(row, now_ns))]
    if view["warnings"]:
        lines += ["", "warnings:", *(f"  {_warning(row, now_ns)}" for row in view["warnings"])]
    lines += ["", f"state_hash {view['state_hash']} after {view['facts']:,} facts, seq {view['seq']:,}"]
    return lines


def _runner(view: Row) -> str:
    pid = view["lease"]["pid"]
    return f", process {pid}" if pid else ", no process"


def _money(view: Row) -> str:
    assets = {str(rules["settle_asset"]) for rules in view["rules"].values() if rules["settle_asset"]}
    asset = f" {assets.pop()}" if len(assets) == 1 else ""
    form = forms(known(view["equity"]) or 0.0)["money"]
    text = f"equity {number(view['equity'], form)}{asset}, wallet {number(view['wallet'], form)}{asset}"
    return text + (f", of it not ours {number(view['outside'], form)}{asset}" if view["outside"] else "")


def _feed(view: Row) -> list[str]:
    """Write how old the market is, of a session that runs."""
    if "feed_age_s" not in view:
        return []
    age = "nothing received yet" if view["feed_age_s"] is None else f"last received {span(view['feed_age_s'])} ago"
    down = [f"{name} {state.lower()}" for name, state in view["sockets"].items() if state.lower() != "open"]
    return [f"feed: {age}, {view['waiting']} facts wait" + (f"; {', '.join(down)}" if down else "")]


def _warning(row: Row, now_ns: int) -> str:
    about = f" of {row['symbol']}" if row["symbol"] else ""
    value = "" if row["value"] is None else f", value {significant(row['value'])}"
    text = str(row["code"]).lower().replace("_", " ")
    return f"{_times(row['count'])}{text}{about}{value}, {_last(row['count'])}{_ago(row['ts_ns'], now_ns)}"


def _times(count: int) -> str:
    return "" if count == 1 else f"{count:,} times "


def _last(count: int) -> str:
    return "" if count == 1 else "last "


def _time(ts_ns: int) -> str:
    """Write a time to the second."""
    return f"{moment(ts_ns // SECOND_NS * SECOND_NS)} UTC"


def _ago(ts_ns: int | None, now_ns: int) -> str:
    """Write how long ago something was."""
    if ts_ns is None:
        return MISSING
    return f"{span(max(0, now_ns - ts_ns) // SECOND_NS)} ago"


class _Parts:
    """Tables of a view, each with its head first. Numbers have the decimals of their instrument's rules."""

    def __init__(self, view: Row) -> None:
        self._view = view
        self._forms: dict[str, tuple[Form | None, Form | None]] = {}
        for name, rules in view["rules"].items():
            tick = known(rules["price_increment"]) if "price_increment" in rules else None
            lot = known(rules["lot_size"]) if "lot_size" in rules else None
            size = known(rules["contract_size"]) if "contract_size" in rules else None
            step = None if lot is None else lot * (1.0 if size is None else size)
            self._forms[InstrumentId.parse(name).symbol] = step_form(tick), step_form(step)

    def _price(self, row: Row, name: str = "price") -> str:
        form = self._forms.get(row["symbol"], (None, None))[0]
        return significant(row[name]) if form is None else number(row[name], form)

    def _qty(self, row: Row, name: str = "qty") -> str:
        form = self._forms.get(row["symbol"], (None, None))[1]
        return significant(row[name]) if form is None else number(row[name], form)

    def instances(self) -> list[list[str]]:
        """Return strategies on instruments, and what each is doing."""
        rows = [
            [row["name"], row["instrument"], row["state"], "takes no entries" if row["killed"] else ""]
            for row in self._view["instances"]
        ]
        return [["strategy", "instrument", "state", ""], *rows]

    def orders(self) -> list[list[str]]:
        """Return the open orders."""
        head = ["id", "symbol", "side", "type", "qty", "price", "stop", "filled", "state"]
        rows = [
            [
                row["client_id"], row["symbol"], row["side"], row["type"] + (" reduce" if row["reduce_only"] else ""),
                self._qty(row), self._price(row), self._price(row, "stop_price"), self._qty(row, "cum_qty"),
                row["state"],
            ]
            for row in self._view["orders"]
        ]  # fmt: skip
        return [head, *rows]

    def positions(self) -> list[list[str]]:
        """Return what is held."""
        rows = [
            [
                row["symbol"], self._qty(row), self._price(row, "entry"), self._price(row, "mark"),
                number(row["unrealized"], RESULT), number(row["unrealized_pct"], PERCENT_SIGNED),
                self._price(row, "liquidation_price"), number(row["liquidation_distance_pct"], PERCENT),
            ]
            for row in self._view["positions"]
        ]  # fmt: skip
        return [["symbol", "qty", "entry", "mark", "result", "of it", "liquidation", "away"], *rows]

    def fills(self) -> list[list[str]]:
        """Return the last fills, the latest last."""
        rows = [
            [
                moment(row["ts_ns"]), row["symbol"], row["side"], self._qty(row), self._price(row),
                significant(row["fee"]), "maker" if row["is_maker"] else "taker", row["client_id"],
            ]
            for row in self._view["fills"]
        ]  # fmt: skip
        return [["time (UTC)", "symbol", "side", "qty", "price", "fee", "", "order"], *_latest(rows)]

    def funding(self) -> list[list[str]]:
        """Return the last funding payments, the latest last."""
        rows = [
            [moment(row["ts_ns"]), row["symbol"], significant(row["amount"]), significant(100.0 * row["rate"]) + "%"]
            for row in self._view["funding"]
        ]
        return [["time (UTC)", "symbol", "amount", "rate"], *_latest(rows)]

    def foreign(self) -> list[list[str]]:
        """Return positions of the account that are not the session's."""
        rows = [[row["symbol"], self._qty(row), self._price(row, "entry")] for row in self._view["foreign"]]
        return [["symbol", "qty", "entry"], *rows]

    def corrections(self) -> list[list[str]]:
        """Return by how much books were set to what the venue has, the latest last."""
        rows = [
            [f"{row['seq']:,}", row["kind"].lower(), row["symbol"], significant(row["amount"])]
            for row in self._view["corrections"]
        ]
        return [["seq", "kind", "symbol", "amount"], *_latest(rows)]

    def refused(self, row: Row, now_ns: int) -> list[str]:
        """Write what did not come to be: what and how often, the last of its kind, what it means, what to do."""
        count, state = row["count"], str(row["state"]).lower()
        what = "signal" if row["order_id"] is None else "exit" if row["reduce_only"] else "entry"
        reason = row["reason"] or "no reason was given"
        last = f"{_last(count)}{_time(row['ts_ns'])} ({_ago(row['ts_ns'], now_ns)})"
        order = ""
        if row["order_id"] is not None:
            price = "" if row["price"] is None else f" at {self._price(row)}"
            order = f": {row['side']} {self._qty(row)}{price}, order {row['order_id']}"
        means, remedy = meaning(reason)
        lines = [f"{_times(count)}{what} {state}, {row['symbol']} of {row['name']}: {reason}, {last}{order}"]
        return [*lines, f"    {means}; {remedy}"] if means else lines


def _latest(rows: list[list[str]]) -> list[list[str]]:
    """Return the last rows, and how many were before them."""
    if len(rows) <= ROWS_SHOWN:
        return rows
    width = len(rows[0])
    before = [f"{len(rows) - ROWS_SHOWN:,} before; --json has them", *[""] * (width - 1)]
    return [before, *rows[-ROWS_SHOWN:]]
