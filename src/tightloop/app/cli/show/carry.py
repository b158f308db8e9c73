"""Explanation of a carry run on the terminal: which rule acted, which did not, and why."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from tightloop.app.cli.show.rows import Screen, grid
from tightloop.app.facts.carry_rules import REDUCING
from tightloop.app.facts.conditions import Facts
from tightloop.app.text.numbers import MISSING, moment, significant

DECISIONS_SHOWN = 3
ROWS_SHOWN = 5
ROUNDING = 1e-9
"""A smaller drift is floating-point residue."""
AMOUNTS = ("withdrawal", "deposit", "dust")
VERDICTS = {"acts": "[yellow]acts[/]", "inside": "[green]inside[/]", "unknown": "[dim]nothing to measure[/]",
            "off": "[dim]off[/]"}  # fmt: skip
VALUES = {
    "entry": "capital", "deposit": "capital", "margin": "share", "withdrawal": "share", "equity": "", "delta": "drift",
    "ltv": "LTV", "health_factor": "LTV",
}  # fmt: skip
"""Rule -> name of the value that it compares."""


def print_carry(out: Screen, facts: Facts) -> None:
    """Print the answer to a question (--order, --at); without one, the run as a whole."""
    run = facts["run"]
    out.line(f"[dim]{run['instants']:,} instants, {moment(run['from'])} to {moment(run['to'])}[/]")
    out.blank()
    asked = False
    for name, show in (("order", _order), ("at", _at)):
        if facts[name] is not None:
            asked = True
            show(out, facts[name])
    if not asked:
        _whole(out, facts["carry"])


def _words(rule: str) -> str:
    return rule.replace("_", " ")


def _whole(out: Screen, facts: Facts) -> None:
    _legs(out, facts["legs"])
    out.blank()
    _rules(out, facts["rules"])
    bundles = facts["bundles"]
    out.blank()
    undone = sum(row["count"] for row in bundles["undone"])
    out.line(f"Bundles  {bundles['sent']:,} sent, {bundles['done']:,} done, {undone:,} rolled back")
    for row in out.cut(bundles["undone"], DECISIONS_SHOWN):
        out.text(f"  [red]rolled back[/] {row['count']:,} of {_words(row['rule'])}: {row['why']}; last "
                 f"{moment(row['last_ts'])}, --order {row['last_order_id']}", 9)  # fmt: skip
    out.more(len(bundles["undone"]), DECISIONS_SHOWN, 9)
    for row in out.cut(facts["denied"], DECISIONS_SHOWN):
        what = "reduce" if row["rule"] in REDUCING else "add"
        out.text(f"Denied   {_words(row['rule'])} was not allowed to {what} from {moment(row['first_ts'])} on: "
                 f"{_words(row['reason'])}", 9)  # fmt: skip
    out.more(len(facts["denied"]), DECISIONS_SHOWN, 9)
    _waiting(out, facts["waiting"], "At the end ")
    last = facts["last_decisions"]
    for bundle in last if out.show_all else last[-DECISIONS_SHOWN:]:
        _bundle(out, bundle)
    out.line("[dim]--at T: what the rules met then; --order ID: one instruction[/]")


def _legs(out: Screen, legs: Sequence[Facts]) -> None:
    for leg in out.cut(legs, ROWS_SHOWN):
        margin = f", margin {leg['margin']}" if leg["margin"] else ""
        text = f"[bold]{escape(leg['leg'])}[/] {leg['kind']}, size {leg['size']}{margin}: "
        if leg["entered_ts"] is not None:
            text += f"entered {moment(leg['entered_ts'])} [dim]--order {leg['order_id']}[/]"
            text += f", {leg['state'].lower()} at the end" if leg["state"] == "LIQUIDATED" else ""
        else:
            text += f"not entered: {leg['why_not']}"
        out.text(text, 2)
        signal = leg["signal"]
        if signal is not None:
            out.text(f"  {signal['predictions']:,} predictions, {signal['heard']:,} accepted (above confidence "
                     f"{signal['confidence']:g}, or neutral)", 2)  # fmt: skip
    out.more(len(legs), ROWS_SHOWN, 2, "legs")


def _value(rule: str, value: Any) -> str:
    if value is None:
        return MISSING
    if rule in AMOUNTS:
        return f"{value:,.2f}" if value else ""
    return significant(value) if abs(value) > ROUNDING else "0"


def _rules(out: Screen, rules: Sequence[Facts]) -> None:
    """Print rules in the order of evaluation; those that are off in one line."""
    table = grid(False, True, True, False, True, True)
    heads = ("rule, in order of evaluation", "limit", "nearest", "at", "beyond", "acted")
    table.add_row(*(f"[dim]{head}[/]" for head in heads))
    on = [rule for rule in rules if rule["is_on"]]
    for rule in on:
        near = rule["nearest"]
        table.add_row(
            f"  {rule['what']}", significant(rule["limit"]) if rule["key"] else "",
            _value(rule["rule"], near["value"]) if near else "",
            moment(near["ts"]) if near and near["value"] else "",
            f"{rule['beyond']:,}", f"{rule['acted']:,}",
        )  # fmt: skip
    out.print(table)
    off = [f"{rule['what']} ({rule['key']})" if rule["key"] else rule["what"] for rule in rules if not rule["is_on"]]
    if off:
        out.text(f"  [dim]off: {', '.join(off)}[/]", 4)
    for rule in on:
        if rule["kept_back"]:
            parts = "; ".join(f"{why} ({count:,})" for why, count in rule["kept_back"].items())
            out.text(f"  [dim]{rule['what']}, beyond its limit but did not act: {parts}[/]", 4)


def _waiting(out: Screen, waiting: Facts, when: str = "") -> None:
    if waiting["stage"] is not None:
        out.text(f"{when}task {waiting['task'].lower()}: {waiting['stage']}", 2)
    if waiting["payable"]:
        out.line(f"{when}a withdrawal of {waiting['payable']:,.2f} is waiting")
    if waiting["deposited"]:
        out.line(f"{when}a deposit of {waiting['deposited']:,.2f} is waiting")
    for row in out.cut(waiting["on_the_way"], DECISIONS_SHOWN):
        out.text(f"{when}in transit: {significant(row['amount'])} to {row['to']}, due at "
                 f"{moment(row['due_ts'])}", 2)  # fmt: skip
    out.more(len(waiting["on_the_way"]), DECISIONS_SHOWN, 2)


def _bundle(out: Screen, bundle: Facts) -> None:
    """Print one decision on a line: when, which rule, what it did, and the outcome."""
    ops = ", ".join(f"{count} {_words(name)}" if count > 1 else _words(name) for name, count in
                    bundle["instructions"].items())  # fmt: skip
    name = VALUES.get(bundle["rule"], "")
    value = "" if bundle["value"] is None else f" ({name} {significant(bundle['value'])})".replace("( ", "(")
    why = f": {bundle['why']}" if bundle["why"] else ""
    out.text(f"{moment(bundle['ts'])} {_words(bundle['rule'])}{value}: {ops}: {bundle['outcome']}{why}", 17)


def _order(out: Screen, order: Facts) -> None:
    what = f"{_words(order['role'])} {significant(order['qty'])} {escape(order['instrument'] or '')}".strip()
    out.text(
        f"Order [bold]{order['order_id']}[/]  {what} of leg {order['leg'] or 'none'}, {moment(order['submitted_ts'])}",
        2,
    )
    if order["source"] or order["target"]:
        out.line(f"  from {order['source'] or 'outside'} to {order['target'] or 'outside'}")
    out.line(f"  {order['state']}" + (f": {order['bundle']['why'] or order['reason']}" if order["reason"] else ""))
    out.line("")
    out.text(f"Its bundle, requested by the rule {_words(order['bundle']['rule'])}: all of it executes, or none", 2)
    _bundle(out, order["bundle"])
    for row in out.cut(order["beside"], 2 * ROWS_SHOWN):
        out.line(
            f"  {row['order_id']}  {_words(row['role'])} {significant(row['qty'])}  {row['leg'] or ''} {row['state']}"
        )
    out.more(len(order["beside"]), 2 * ROWS_SHOWN, 2, "instructions")


def _at(out: Screen, facts: Facts) -> None:
    out.line(f"At {moment(facts['instant_ts'])}  equity {significant(facts['equity'])}, free cash "
             f"{significant(facts['free_cash'])}, reserve {significant(facts['reserve'])}")  # fmt: skip
    table = grid(False, True, True, False)
    table.add_row(*(f"[dim]{head}[/]" for head in ("rule, in order of evaluation", "value", "limit", "")))
    for row in facts["rules"]:
        if row["verdict"] != "off" or out.show_all:
            shown = "" if row["rule"] == "entry" else _value(row["rule"], row["value"])
            table.add_row(f"  {row['what']}", shown, significant(row["limit"]) if row["limit"] is not None else "",
                          VERDICTS[row["verdict"]])  # fmt: skip
    out.print(table)
    out.text(f"{facts['first']['said'].capitalize()}.", 2)
    for bundle in out.cut(facts["done"], DECISIONS_SHOWN):
        _bundle(out, bundle)
    out.more(len(facts["done"]), DECISIONS_SHOWN, 2, "bundles")
    _waiting(out, facts)
    out.blank()
    for row in out.cut(facts["perps"], ROWS_SHOWN):
        prices = f"at {significant(row['entry_price'])}, mark {significant(row['mark'])}"
        out.text(f"Perp     {escape(row['instrument'])} {significant(row['qty'])} {prices}", 9)
    out.more(len(facts["perps"]), ROWS_SHOWN, 9)
    held = sorted(facts["balances"], key=lambda row: -abs(row["value"] or 0.0))
    for row in out.cut(held, ROWS_SHOWN):
        out.line(
            f"Balance  {escape(row['balance'] or '')} {significant(row['amount'])}, worth {significant(row['value'])}"
        )
    out.more(len(held), ROWS_SHOWN, 9)
