"""``tightloop explain`` on the terminal: what fired and what did not, what blocked it, and by how much.

This module loads rich; a command imports it when it has something to explain.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tightloop.app.explain_why import Facts
from tightloop.app.report_numbers import COUNT, MISSING, Form, moment, number, significant, span

WIDTH = 120
"""Of what is piped into a file; a terminal has its own."""
SECTIONS_SHOWN = 20
ROWS_SHOWN = 12
MOVED_SHOWN = 4
STYLES = {"TRUE": "green", "FALSE": "red", "UNKNOWN": "yellow"}
SUPPRESSIONS = ("slots_full", "symbol_locked", "kill_switch", "cooldown")
BPS = Form(2, " bps", signed=True)


def print_facts(facts: Facts, *, console: Console | None = None) -> None:
    """Print what was asked for; without a question, the run as a whole. No terminal, no colours."""
    out = console or Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    run = facts["run"]
    out.print(
        f"[bold]{escape(run['strategy'])}[/]  run again over {run['events']:,} events: same state {run['state_hash']}"
    )
    asked = False
    for name, show in (("signal", _signal), ("order", _order), ("at", _at)):
        if facts[name] is not None:
            asked = True
            out.print()
            show(out, facts[name])
    if not asked:
        _whole(out, facts)


def _line(out: Console, text: str) -> None:
    out.print(text, soft_wrap=True)


def _grid(*right: bool) -> Table:
    grid = Table.grid(padding=(0, 1))
    for at, is_right in enumerate(right):
        grid.add_column(justify="right" if is_right else "left", overflow="fold", no_wrap=at > 0)
    return grid


def _unbroken(text: str) -> str:
    """A condition that is not broken at its blanks."""
    return escape(text.replace(" ", "\N{NO-BREAK SPACE}"))


def _verdict(word: str) -> str:
    return f"[{STYLES[word]}]{word}[/]"


def _limit(threshold: object) -> str:
    if isinstance(threshold, list):
        return " to ".join(significant(own) for own in threshold)
    return significant(threshold)


# The whole run -----------------------------------------------------------------------------------------------------


def _whole(out: Console, facts: Facts) -> None:
    fired = ", ".join(f"{name} {count:,}" for name, count in facts["why"]["fired"].items())
    out.print()
    _line(out, f"Fired    {fired}")
    last = facts["why"]["last_signals"]
    for own in last:
        _line(out, f"         {own['signal_id']}  {moment(own['ts'])}  {escape(own['instrument'])}")
    if last:
        _line(out, "         [dim]--signal ID says why[/]")
    _denied(out, facts["denied"])
    _suppressed(out, facts["suppressed"])
    if not facts["why_not"]:
        _line(out, "[dim]A strategy of this family has no sections: there is no condition to look at.[/]")
    shown = [own for own in facts["why_not"] if own["evaluations"]][:SECTIONS_SHOWN]
    for own in shown:
        out.print()
        _section(out, own)
    silent = [own for own in facts["why_not"] if not own["evaluations"]]
    left = len(facts["why_not"]) - len(silent) - len(shown)
    if silent or left:
        out.print()
    if silent:
        _line(out, f"[dim]Never listened to: {escape(_listed(silent))}[/]")
    if left:
        _line(out, f"[dim]{left} more sections are in the file of --json[/]")


def _listed(sections: Sequence[Facts]) -> str:
    names = [f"{own['section']} of {own['instrument']}" for own in sections]
    rest = len(names) - ROWS_SHOWN
    return ", ".join(names[:ROWS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _denied(out: Console, denied: Sequence[Facts]) -> None:
    for own in denied[:ROWS_SHOWN]:
        _line(
            out,
            f"Denied   {own['count']:,} entries of {escape(own['instrument'])} by {own['reason']}"
            f"  [dim]--order {own['last_order_id']} says why[/]",
        )
    if len(denied) > ROWS_SHOWN:
        _line(out, f"         and {len(denied) - ROWS_SHOWN} more")


def _suppressed(out: Console, suppressed: Sequence[Facts]) -> None:
    """One line for each instance whose S1 was TRUE and could not act."""
    held = [own for own in suppressed if any(own[name] for name in SUPPRESSIONS)]
    for own in held[:ROWS_SHOWN]:
        parts = [f"{name.replace('_', ' ')} {own[name]:,}" for name in SUPPRESSIONS if own[name]]
        _line(out, f"Held     S1 of {escape(own['instrument'])} TRUE without effect: {', '.join(parts)} evaluations")
    if len(held) > ROWS_SHOWN:
        _line(out, f"         and {len(held) - ROWS_SHOWN} more")


def _section(out: Console, own: Facts) -> None:
    counts = ", ".join(f"{own[word.lower()]:,} {word}" for word in STYLES)
    _line(
        out,
        f"[bold]{own['section']}[/] {escape(own['strategy'])} on {escape(own['instrument'])}: fired {own['fired']:,}"
        f"  [dim]{own['evaluations']:,} evaluations: {counts}; all but one {own['one_short']:,}[/]",
    )
    grid = _grid(False, True, True, True, True, True, True, False)
    grid.add_row(*(f"[dim]{head}[/]" for head in
                   ("", "TRUE", "FALSE", "UNKNOWN", "alone", "nearest", "missed by", "at")))  # fmt: skip
    for condition in own["conditions"]:
        nearest = condition["nearest"]
        grid.add_row(
            "  " * condition["depth"] + _unbroken(condition["text"])
            + ("" if condition["needed"] == "TRUE" else " [dim](FALSE is needed)[/]"),
            *(number(condition[word.lower()], COUNT) for word in STYLES),
            number(condition["alone"], COUNT),
            *((*_with_unit(condition["unit"], nearest), moment(nearest["ts"]))
              if nearest else (MISSING, MISSING, "")),
        )  # fmt: skip
    out.print(grid)
    _not_moved(out, own["conditions"])
    if own["blocked_most"] is not None and own["true"] < own["evaluations"]:
        _blocked(out, own["conditions"][own["blocked_most"]])


def _with_unit(unit: str | None, place: Facts) -> tuple[str, str]:
    """A value and its gap; seconds of a hold, parts of a seq."""
    value, gap = significant(place["value"]), significant(place["gap"])
    if unit == "parts":
        return f"{value}\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}{significant(place['threshold'])}", gap
    return (f"{value}\N{NO-BREAK SPACE}s", f"{gap}\N{NO-BREAK SPACE}s") if unit == "s" else (value, gap)


def _not_moved(out: Console, conditions: Sequence[Facts]) -> None:
    """What no moved threshold is counted for, and why."""
    reasons: dict[str, list[str]] = {}
    for own in conditions:
        if own["not_moved"] and own["not_as_needed"]:
            reasons.setdefault(own["not_moved"], []).append(own["text"])
    for reason, texts in reasons.items():
        named = ", ".join(texts[:MOVED_SHOWN]) + (f" and {rest} more" if (rest := len(texts) - MOVED_SHOWN) > 0 else "")
        _line(out, f"  [dim]Not counted, a moved {escape(named)} ({reason})[/]")


def _blocked(out: Console, own: Facts) -> None:
    """The condition that blocked most, and what moving its threshold would do."""
    text = f"  Blocked most: [bold]{escape(own['text'])}[/]"
    if own["alone"]:
        text += f", {own['alone']:,} times the only one"
    if own["alone_nearest"]:
        nearest = own["alone_nearest"][0]
        text += (
            f"; nearest of these {significant(nearest['value'])} against {_limit(nearest['threshold'])}"
            f" at {moment(nearest['ts'])}, missed by {significant(nearest['gap'])}"
        )
    _line(out, text)
    steps = own["moved"][:MOVED_SHOWN]
    if not steps:
        return
    parts = []
    for step in steps:
        if step["to"] is None:
            where = f"by {significant(step['by'])}"
        else:
            where = f"{'beyond' if step['is_beyond'] else 'to'} {_limit(step['to'])}"
        parts.append(f"{where}: {step['more']:,} more")
    _line(out, f"  Threshold moved {', '.join(parts)} TRUE. [dim]Evaluations of the section, not trades or profit.[/]")
    if steps[0]["setting"] is not None:
        _line(out, f'  [dim]Try it: tightloop backtest ... --set "{escape(steps[0]["setting"])}"[/]')


# One signal, one order, one time -----------------------------------------------------------------------------------


def _signal(out: Console, own: Facts) -> None:
    _line(out, f"Signal [bold]{own['signal_id']}[/]  {escape(own['strategy'])} on {escape(own['instrument'])}")
    for section in own["sections"]:
        out.print()
        reason = f" ({section['reason']})" if section["reason"] else ""
        _line(out, f"[bold]{section['section']}[/] {section['event']}{reason} at {moment(section['ts'])}, price "
                   f"{significant(section['price'])}")  # fmt: skip
        _tree(out, section["tree"])
        if not section["tree"]:
            _line(out, "  immediate: it has no conditions" if section["section"] == "Z1" else "  it has no conditions")
        elif not section["is_equal"]:
            _line(out, "  [red]the values of the run made again are not those that were stored[/]")
    out.print()
    for order in own["orders"]:
        reason = f" ({order['reason']})" if order["reason"] else ""
        _line(out, f"Order  {order['order_id']}  {order['role']} {order['type']}: {order['state']}{reason}")
    for trade in own["trades"]:
        ended = (
            f"closed {moment(trade['exit_ts'])} by {trade['exit_reason']}" if trade["exit_ts"] else "open at the end"
        )
        _line(out, f"Trade  {trade['trade_id']}  {trade['side']}, {ended}, result {significant(trade['pnl'])}")


def _tree(out: Console, tree: Sequence[Facts]) -> None:
    grid = _grid(False, False, True, False)
    for node in tree:
        values = ""
        if "value" in node:
            values = f"{significant(node['value'])}  [dim]{node['operator']} {_limit(node['threshold'])}[/]"
        grid.add_row("  " * (node["depth"] + 1) + escape(node["text"]), _verdict(node["verdict"]), values)
    out.print(grid)


def _order(out: Console, own: Facts) -> None:
    _line(
        out,
        f"Order [bold]{own['order_id']}[/]  {own['role']} {own['type']} {own['side']} {significant(own['qty'])} "
        f"{escape(own['instrument'])}, sent {moment(own['submitted_ts'])}",
    )
    _line(out, f"  {own['state']} at {moment(own['updated_ts'])}" + (f": {own['why']}" if own["why"] else ""))
    check = own["check"]
    if check is not None and check["compared"] is not None:
        _line(out, f"  {check['check']}: {check['compared']} {significant(check['value'])}, the limit is "
                   f"{significant(check['limit'])}")  # fmt: skip
    near = own["nearest_price"]
    if near is not None:
        _line(out, f"  Price came to {significant(near['price'])} at {moment(near['ts'])}; the order's is "
                   f"{significant(near['level'])}, {significant(near['away'])} away")  # fmt: skip
    for fill in own["fills"]:
        _fill(out, fill)


def _fill(out: Console, own: Facts) -> None:
    _line(out, f"  Filled {significant(own['qty'])} at {significant(own['price'])} in the bar of {moment(own['ts'])}"
               f" as a {own['liquidity']}: {own['rule'] or 'the rule is not known'}")  # fmt: skip
    bar = own["bar"]
    if bar is not None:
        prices = ", ".join(f"{name} {significant(bar[name])}" for name in ("open", "high", "low", "close"))
        _line(out, f"    [dim]bar: {prices}[/]")
    _line(out, f"    price met {significant(own['price_met'])}, slippage {significant(own['slippage'])} "
               f"({number(own['slippage_bps'], BPS)}), fee {significant(own['fee'])} "
               f"({number(own['fee_bps'], BPS)})")  # fmt: skip


def _at(out: Console, own: Facts) -> None:
    _line(out, f"At {moment(own['ts'])}  equity {significant(own['equity'])}")
    for instance in own["instances"][:SECTIONS_SHOWN]:
        out.print()
        _instance(out, instance)
    left = len(own["instances"]) - SECTIONS_SHOWN
    if left > 0:
        _line(out, f"[dim]{left} more instances are in the file of --json[/]")
    if own["open_orders"]:
        out.print()
    for order in own["open_orders"]:
        _line(out, f"Order  {order['order_id']}  {escape(order['instrument'])} {order['role']} {order['type']} "
                   f"{order['side']} {significant(order['qty'])}")  # fmt: skip


def _instance(out: Console, own: Mapping[str, Any]) -> None:
    rest = f", cooldown {span(own['cooldown_left_s'])} left" if own["cooldown_left_s"] else ""
    since = f" since {moment(own['since_ts'])}" if own["since_ts"] else ""
    _line(out, f"[bold]{escape(own['strategy'])}[/] on {escape(own['instrument'])}: {own['state']}{since}{rest}")
    if own["position"] is not None:
        position = own["position"]
        _line(out, f"  Position {significant(position['qty'])} at {significant(position['entry_price'])}, "
                   f"unrealised {significant(position['unrealized'])}")  # fmt: skip
    values = ", ".join(f"{name} {significant(value)}" for name, value in own["values"].items())
    _line(out, f"  Values   {escape(values)}  [dim]price {significant(own['mark'])}[/]")
    for section in own["sections"]:
        heard = "" if section["is_listened_to"] else " [dim](not listened to in this state)[/]"
        _line(out, f"  {section['section']} {_verdict(section['verdict'])}{heard}")
        if section["is_listened_to"]:
            _tree(out, section["tree"])
