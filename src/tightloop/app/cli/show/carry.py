"""Which rule of a carry run acted, which did not and why, on the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from tightloop.app.cli.show.rows import Screen, grid
from tightloop.app.facts.conditions import Facts
from tightloop.app.text.numbers import MISSING, moment, significant

DECISIONS_SHOWN = 3
ROWS_SHOWN = 5
ROUNDING = 1e-9
"""A drift that is no more than the rounding of the numbers it is made of."""
AMOUNTS = ("withdrawal", "deposit", "dust")
VERDICTS = {"acts": "[yellow]acts[/]", "inside": "[green]inside[/]", "unknown": "[dim]nothing to measure[/]",
            "off": "[dim]off[/]"}  # fmt: skip
VALUES = {
    "entry": "capital", "deposit": "capital", "margin": "share", "withdrawal": "share", "equity": "", "delta": "drift",
    "ltv": "LTV", "health_factor": "LTV",
}  # fmt: skip
"""What the value of a decision is."""


def print_carry(out: Screen, facts: Facts) -> None:
    """What was asked for; without a question, the run as a whole."""
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


def _whole(out: Screen, own: Facts) -> None:
    _legs(out, own["legs"])
    out.blank()
    _rules(out, own["rules"])
    bundles = own["bundles"]
    out.blank()
    undone = sum(row["count"] for row in bundles["undone"])
    out.line(f"Bundles  {bundles['sent']:,} sent, {bundles['done']:,} done, {undone:,} undone")
    for row in out.cut(bundles["undone"], DECISIONS_SHOWN):
        out.text(f"  [red]undone[/] {row['count']:,} of {_words(row['rule'])}: {row['why']}; last "
                 f"{moment(row['last_ts'])}, --order {row['last_order_id']}", 9)  # fmt: skip
    out.more(len(bundles["undone"]), DECISIONS_SHOWN, 9)
    for row in out.cut(own["denied"], DECISIONS_SHOWN):
        out.text(f"Denied   {_words(row['rule'])} might not add from {moment(row['first_ts'])} on: "
                 f"{_words(row['reason'])}", 9)  # fmt: skip
    out.more(len(own["denied"]), DECISIONS_SHOWN, 9)
    _waiting(out, own["waiting"], "At the end ")
    last = own["last_decisions"]
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
            out.text(f"  {signal['predictions']:,} predictions, {signal['heard']:,} heard (above confidence "
                     f"{signal['confidence']:g}, or neutral)", 2)  # fmt: skip
    out.more(len(legs), ROWS_SHOWN, 2, "legs")


def _value(rule: str, value: Any) -> str:
    if value is None:
        return MISSING
    if rule in AMOUNTS:
        return f"{value:,.2f}" if value else ""
    return significant(value) if abs(value) > ROUNDING else "0"


def _rules(out: Screen, rules: Sequence[Facts]) -> None:
    """Rules in the order in which they are asked; those that are off in one line."""
    table = grid(False, True, True, False, True, True)
    heads = ("rule, in order of asking", "limit", "nearest", "at", "beyond", "acted")
    table.add_row(*(f"[dim]{head}[/]" for head in heads))
    on = [own for own in rules if own["is_on"]]
    for own in on:
        near = own["nearest"]
        table.add_row(
            f"  {own['what']}", significant(own["limit"]) if own["key"] else "",
            _value(own["rule"], near["value"]) if near else "",
            moment(near["ts"]) if near and near["value"] else "",
            f"{own['beyond']:,}", f"{own['acted']:,}",
        )  # fmt: skip
    out.print(table)
    off = [f"{own['what']} ({own['key']})" if own["key"] else own["what"] for own in rules if not own["is_on"]]
    if off:
        out.text(f"  [dim]off: {', '.join(off)}[/]", 4)
    for own in on:
        if own["kept_back"]:
            parts = "; ".join(f"{why} ({count:,})" for why, count in own["kept_back"].items())
            out.text(f"  [dim]{own['what']}, beyond and not acted: {parts}[/]", 4)


def _waiting(out: Screen, own: Facts, when: str = "") -> None:
    if own["stage"] is not None:
        out.text(f"{when}task {own['task'].lower()}: {own['stage']}", 2)
    if own["payable"]:
        out.line(f"{when}a withdrawal of {own['payable']:,.2f} waits")
    if own["deposited"]:
        out.line(f"{when}a deposit of {own['deposited']:,.2f} waits")
    for row in out.cut(own["on_the_way"], DECISIONS_SHOWN):
        out.text(f"{when}on the way: {significant(row['amount'])} to {row['to']}, there at "
                 f"{moment(row['due_ts'])}", 2)  # fmt: skip
    out.more(len(own["on_the_way"]), DECISIONS_SHOWN, 2)


def _bundle(out: Screen, own: Facts) -> None:
    """One line for a decision: when, which rule, what it did, what became of it."""
    ops = ", ".join(f"{count} {_words(name)}" if count > 1 else _words(name) for name, count in
                    own["instructions"].items())  # fmt: skip
    name = VALUES.get(own["rule"], "")
    value = "" if own["value"] is None else f" ({name} {significant(own['value'])})".replace("( ", "(")
    why = f": {own['why']}" if own["why"] else ""
    out.text(f"{moment(own['ts'])} {_words(own['rule'])}{value}: {ops}: {own['outcome']}{why}", 17)


def _order(out: Screen, own: Facts) -> None:
    what = f"{_words(own['role'])} {significant(own['qty'])} {escape(own['instrument'] or '')}".strip()
    out.text(
        f"Order [bold]{own['order_id']}[/]  {what} of leg {own['leg'] or 'none'}, {moment(own['submitted_ts'])}", 2
    )
    if own["source"] or own["target"]:
        out.line(f"  from {own['source'] or 'outside'} to {own['target'] or 'outside'}")
    out.line(f"  {own['state']}" + (f": {own['bundle']['why'] or own['reason']}" if own["reason"] else ""))
    out.line("")
    out.text(f"Its bundle, asked for by the rule {_words(own['bundle']['rule'])}: all of it takes place, or none", 2)
    _bundle(out, own["bundle"])
    for row in out.cut(own["beside"], 2 * ROWS_SHOWN):
        out.line(
            f"  {row['order_id']}  {_words(row['role'])} {significant(row['qty'])}  {row['leg'] or ''} {row['state']}"
        )
    out.more(len(own["beside"]), 2 * ROWS_SHOWN, 2, "instructions")


def _at(out: Screen, own: Facts) -> None:
    out.line(f"At {moment(own['instant_ts'])}  equity {significant(own['equity'])}, free cash "
             f"{significant(own['free_cash'])}, reserve {significant(own['reserve'])}")  # fmt: skip
    table = grid(False, True, True, False)
    table.add_row(*(f"[dim]{head}[/]" for head in ("rule, in order of asking", "value", "limit", "")))
    for row in own["rules"]:
        if row["verdict"] != "off" or out.show_all:
            shown = "" if row["rule"] == "entry" else _value(row["rule"], row["value"])
            table.add_row(f"  {row['what']}", shown, significant(row["limit"]) if row["limit"] is not None else "",
                          VERDICTS[row["verdict"]])  # fmt: skip
    out.print(table)
    out.text(f"{own['first']['said'].capitalize()}.", 2)
    for bundle in out.cut(own["done"], DECISIONS_SHOWN):
        _bundle(out, bundle)
    out.more(len(own["done"]), DECISIONS_SHOWN, 2, "bundles")
    _waiting(out, own)
    out.blank()
    for row in out.cut(own["perps"], ROWS_SHOWN):
        prices = f"at {significant(row['entry_price'])}, mark {significant(row['mark'])}"
        out.text(f"Perp     {escape(row['instrument'])} {significant(row['qty'])} {prices}", 9)
    out.more(len(own["perps"]), ROWS_SHOWN, 9)
    held = sorted(own["balances"], key=lambda row: -abs(row["value"] or 0.0))
    for row in out.cut(held, ROWS_SHOWN):
        out.line(
            f"Balance  {escape(row['balance'] or '')} {significant(row['amount'])}, worth {significant(row['value'])}"
        )
    out.more(len(held), ROWS_SHOWN, 9)
