"""``tightloop explain`` on the terminal: what fired and what did not, what blocked it, and by how much.

An answer stands on one screen of 80 columns; ``--all`` shows the rest. This module loads rich; a command imports it
when it has something to explain.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from tightloop.app.cli.show.carry import print_carry
from tightloop.app.cli.show.python import print_call, print_python, print_request
from tightloop.app.cli.show.rows import STYLES, Screen, cut_last, grid, limit_of, verdict, words_of
from tightloop.app.facts.conditions import Facts, alternatives_of, named_of
from tightloop.app.text.numbers import COUNT, MISSING, Form, moment, number, significant, span

WIDTH = 80
"""Columns when the output is not a terminal."""
LINES, LINES_BESIDE_CODE = 24, 12
"""Lines of a screen for sections; and when strategies in Python are printed as well."""
DETAILED = 5
"""Sections printed one after the other; beyond that, they are summarised by instrument."""
BRIEF_FROM = 2
"""With more sections, each gets fewer lines."""
ROWS_SHOWN = 3
CONDITIONS_SHOWN = 6
MOVED_SHOWN = 4
SUPPRESSIONS = ("slots_full", "symbol_locked", "kill_switch", "cooldown")
BPS = Form(2, " bps", signed=True)
Place = tuple[str, str]


def print_facts(facts: Facts, *, console: Console | None = None, show_all: bool = False) -> None:
    """Print the answer to a question; without one, the run as a whole. Plain text without a terminal."""
    screen = console or Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    out = Screen(screen, show_all)
    run = facts["run"]
    out.line(
        f"[bold]{escape(run['strategy'])}[/]  run again over {run['events']:,} events: same state {run['state_hash']}"
    )
    if run["is_part"]:
        out.text(f"[yellow]Partial[/]  {escape(run['cut_short'])}", 9)
    if "carry" in facts:
        print_carry(out, facts)
        return
    asked = False
    for name, show in (("signal", _signal), ("order", _order), ("at", _at)):
        if facts[name] is not None:
            asked = True
            out.blank()
            show(out, facts[name])
    if not asked:
        _whole(out, facts)


# The whole run -----------------------------------------------------------------------------------------------------


def _whole(out: Screen, facts: Facts) -> None:
    out.blank()
    if facts["why_not"]:
        fired = ", ".join(f"{name} {count:,}" for name, count in facts["why"]["fired"].items())
        out.line(f"Fired    {fired}")
    last = facts["why"]["last_signals"]
    for section in last if out.show_all else last[-2:]:
        out.line(f"         {section['signal_id']}  {moment(section['ts'])}  {escape(section['instrument'])}")
    if last:
        out.line("         [dim]--signal ID says why[/]")
    _denied(out, facts["denied"])
    _suppressed(out, facts["suppressed"])
    print_python(out, facts["python"])
    lines = LINES_BESIDE_CODE if facts["python"] else LINES
    evaluated = [section for section in facts["why_not"] if section["evaluations"]]
    if out.show_all or len(evaluated) <= DETAILED:
        rows = max(1 if facts["python"] else 2, lines // max(len(evaluated), 1) - 5)
        for section in evaluated:
            out.blank()
            _section(out, section, rows, is_brief=len(evaluated) > BRIEF_FROM and not out.show_all)
    else:
        _summed(out, evaluated, lines)
    silent = [section for section in facts["why_not"] if not section["evaluations"]]
    if silent:
        out.blank()
        out.text(f"[dim]Never evaluated: {escape(_listed(out, silent))}[/]")


def _listed(out: Screen, sections: Sequence[Facts]) -> str:
    names = [f"{section['section']} of {section['instrument']}" for section in sections]
    shown = out.cut(names, ROWS_SHOWN)
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" (+{rest} more: --all)" if rest > 0 else "")


def _denied(out: Screen, denied: Sequence[Facts]) -> None:
    ranked = sorted(denied, key=lambda row: -row["count"])
    for row in out.cut(ranked, ROWS_SHOWN):
        out.line(f"Denied   {row['count']:,} entries of {escape(row['instrument'])} by {row['reason']}")
        out.line(f"         [dim]--order {row['last_order_id']} says why[/]")
    out.more(len(ranked), ROWS_SHOWN, 9)


def _suppressed(out: Screen, suppressed: Sequence[Facts]) -> None:
    """Print one line per instance whose S1 was TRUE but suppressed."""
    held = [instance for instance in suppressed if any(instance[name] for name in SUPPRESSIONS)]
    held.sort(key=lambda instance: -sum(instance[name] for name in SUPPRESSIONS))
    for instance in out.cut(held, ROWS_SHOWN):
        parts = [f"{name.replace('_', ' ')} {instance[name]:,}" for name in SUPPRESSIONS if instance[name]]
        out.text(f"Held     S1 of {escape(instance['instrument'])}, TRUE: {', '.join(parts)}", 9)
    out.more(len(held), ROWS_SHOWN, 9)


def _summed(out: Screen, sections: Sequence[Facts], lines: int) -> None:
    """Print each section over its instruments, one line each; those that fired or came nearest first."""
    groups: dict[Place, list[Facts]] = {}
    for instance in sections:
        groups.setdefault((instance["strategy"], instance["section"]), []).append(instance)
    shown = out.cut(list(groups.items()), DETAILED)
    rows = max(1, lines // len(shown) - 4)
    for (strategy, section), instances in shown:
        out.blank()
        fired, evaluations = (sum(instance[name] for instance in instances) for name in ("fired", "evaluations"))
        out.line(
            f"[bold]{section}[/] {escape(strategy)} on {len(instances)} instruments: fired {fired:,}"
            f"  [dim]{evaluations:,} evaluations[/]"
        )
        ranked = sorted(instances, key=lambda instance: (-instance["fired"], -instance["true"], -instance["one_short"]))
        table = grid(False, True, True, True, False, cuts_last=True)
        table.add_row(*(f"[dim]{head}[/]" for head in ("", "fired", "TRUE", "one short", "blocked most")))
        for instance in out.cut(ranked, rows):
            table.add_row(
                "  " + escape(instance["instrument"]), f"{instance['fired']:,}", f"{instance['true']:,}",
                f"{instance['one_short']:,}",
                _most(instance),
            )  # fmt: skip
        out.print(cut_last(table, out.console.width))
        out.more(len(ranked), rows, 2)
    if len(groups) > len(shown):
        out.blank()
        out.more(len(groups), len(shown), 0, "sections")


def _most(section: Facts) -> str:
    """Describe briefly what blocked a section most."""
    if section["blocked_most"] is None:
        return ""
    condition = section["conditions"][section["blocked_most"]]
    text = escape(named_of(section["conditions"], section["blocked_most"]))
    near = condition["alone_nearest"]
    return f"{text} [dim]missed by {significant(near[0]['gap'])}[/]" if near else text


def _section(out: Screen, facts: Facts, rows: int, *, is_brief: bool) -> None:
    counts = ", ".join(f"{facts[word.lower()]:,} {word}" for word in STYLES)
    brief = f"  [dim]{facts['evaluations']:,} evaluations[/]" if is_brief else ""
    head = f"[bold]{facts['section']}[/] {escape(facts['strategy'])} on {escape(facts['instrument'])}"
    out.line(f"{head}: fired {facts['fired']:,}{brief}")
    if not is_brief:
        out.line(f"  [dim]{facts['evaluations']:,} evaluations: {counts}; all but one {facts['one_short']:,}[/]")
    table = grid(False, True, True, True, True, True, True, False)
    heads = ("", "TRUE", "FALSE", "UNKNOWN", "alone", "nearest", "missed by", "at")
    table.add_row(*(f"[dim]{head}[/]" for head in heads))
    conditions = _apart(facts["conditions"])
    for condition in out.cut(conditions, rows):
        nearest = condition["nearest"]
        table.add_row(
            "  " * condition["depth"] + words_of(condition["text"])
            + ("" if condition["needed"] == "TRUE" else " [dim](FALSE is needed)[/]"),
            *(number(condition[word.lower()], COUNT) for word in STYLES),
            "[dim]or[/]" if condition["is_alternative"] else number(condition["alone"], COUNT),
            *((*_with_unit(condition["unit"], nearest), moment(nearest["ts"]))
              if nearest else (MISSING, MISSING, "")),
        )  # fmt: skip
    out.print(table)
    out.more(len(conditions), rows, 2)
    if not is_brief:
        _not_moved(out, conditions)
    if facts["blocked_most"] is not None and facts["true"] < facts["evaluations"]:
        _blocked(out, facts["conditions"], facts["blocked_most"], is_brief=is_brief)


def _apart(conditions: Sequence[Facts]) -> list[Facts]:
    """Return the conditions as written by the user: ``in`` counts once, not once per number."""
    found: list[Facts] = []
    inside: Facts | None = None
    for condition in conditions:
        if inside is not None and condition["depth"] > inside["depth"]:
            continue
        found.append(condition)
        inside = condition if condition["is_choice"] and " in " in condition["text"] else None
    return found


def _with_unit(unit: str | None, place: Facts) -> tuple[str, str]:
    """Format a value and its gap; seconds of a hold, parts of a seq."""
    value, gap = significant(place["value"]), significant(place["gap"])
    if unit == "parts":
        return f"{value}\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}{significant(place['threshold'])}", gap
    return (f"{value}\N{NO-BREAK SPACE}s", f"{gap}\N{NO-BREAK SPACE}s") if unit == "s" else (value, gap)


def _not_moved(out: Screen, conditions: Sequence[Facts]) -> None:
    """Print conditions for which no moved threshold was evaluated, and why."""
    reasons: dict[str, list[str]] = {}
    for condition in conditions:
        if condition["not_moved"] and condition["not_as_needed"] and not condition["is_choice"]:
            reasons.setdefault(condition["not_moved"], []).append(condition["text"])
    for reason, texts in reasons.items():
        named = ", ".join(texts[:MOVED_SHOWN]) + (f" and {rest} more" if (rest := len(texts) - MOVED_SHOWN) > 0 else "")
        out.line(f"  [dim]Other thresholds not evaluated: {escape(named)} ({reason})[/]")


def _blocked(out: Screen, conditions: Sequence[Facts], at: int, *, is_brief: bool) -> None:
    """Print the condition (or choice) that blocked most, and the effect of moving its threshold."""
    blocking = conditions[at]
    head = "Most often in the way" if blocking["text"] == "any of" else "Blocked most"
    text = f"  {head}: [bold]{escape(named_of(conditions, at))}[/]"
    out.text(text + (f", {blocking['alone']:,} times the only one" if blocking["alone"] else ""), 4)
    if is_brief:
        return
    if blocking["alone_nearest"]:
        nearest = blocking["alone_nearest"][0]
        out.text(
            f"    nearest of these {significant(nearest['value'])} against {limit_of(nearest['threshold'])}"
            f" at {moment(nearest['ts'])}, missed by {significant(nearest['gap'])}", 4
        )  # fmt: skip
    if blocking["is_choice"]:
        movable = [part for part in alternatives_of(conditions, at) if part["moved"]]
        for part in out.cut(sorted(movable, key=lambda part: -part["enough"]), 2):
            out.text(f"  One of them is enough: {_moves(part)} TRUE.", 4)
        return
    if blocking["moved"]:
        out.text(f"  Threshold {_moves(blocking, named=False)} TRUE.", 4)
        out.text("    [dim]Evaluations of the section, not trades or profit.[/]", 4)
        if blocking["moved"][0]["setting"] is not None:
            out.line(f'  [dim]Try it: tightloop backtest ... --set "{escape(blocking["moved"][0]["setting"])}"[/]')


def _moves(condition: Facts, *, named: bool = True) -> str:
    parts = []
    for step in condition["moved"][:MOVED_SHOWN]:
        if step["to"] is None:
            where = f"by {significant(step['by'])}"
        else:
            where = f"{'beyond' if step['is_beyond'] else 'to'} {limit_of(step['to'])}"
        parts.append(f"{where}: {step['more']:,} more")
    return (f"{escape(condition['text'])} " if named else "") + f"moved {', '.join(parts)}"


# One signal, one order, one time -----------------------------------------------------------------------------------


def _signal(out: Screen, signal: Facts) -> None:
    out.line(f"Signal [bold]{signal['signal_id']}[/]  {escape(signal['strategy'])} on {escape(signal['instrument'])}")
    for section in signal["sections"]:
        out.blank()
        reason = f" ({section['reason']})" if section["reason"] else ""
        out.line(f"[bold]{section['section']}[/] {section['event']}{reason} at {moment(section['ts'])}, price "
                 f"{significant(section['price'])}")  # fmt: skip
        _tree(out, section["tree"])
        if not section["tree"]:
            out.line("  immediate: it has no conditions" if section["section"] == "Z1" else "  it has no conditions")
        elif not section["is_equal"]:
            out.line("  [red]the values of the repeated run differ from those that were stored[/]")
    out.blank()
    for order in signal["orders"]:
        reason = f" ({order['reason']})" if order["reason"] else ""
        out.line(f"Order  {order['order_id']}  {order['role']} {order['type']}: {order['state']}{reason}")
    for trade in signal["trades"]:
        ended = (
            f"closed {moment(trade['exit_ts'])} by {trade['exit_reason']}" if trade["exit_ts"] else "open at the end"
        )
        out.line(f"Trade  {trade['trade_id']}  {trade['side']}, {ended}, result {significant(trade['pnl'])}")


def _tree(out: Screen, tree: Sequence[Facts]) -> None:
    table = grid(False, False, True, False)
    for node in tree:
        values = ""
        if "value" in node:
            values = f"{significant(node['value'])}  [dim]{node['operator']} {limit_of(node['threshold'])}[/]"
        table.add_row("  " * (node["depth"] + 1) + words_of(node["text"]), verdict(node["verdict"]), values)
    out.print(table)


def _order(out: Screen, order: Facts) -> None:
    out.line(
        f"Order [bold]{order['order_id']}[/]  {order['role']} {order['type']} {order['side']} "
        f"{significant(order['qty'])} {escape(order['instrument'])}, sent {moment(order['submitted_ts'])}",
    )
    out.text(f"  {order['state']} at {moment(order['updated_ts'])}" + (f": {order['why']}" if order["why"] else ""), 4)
    check = order["check"]
    if check is not None and check["compared"] is not None:
        out.text(
            f"  {check['check']}: {check['compared']} {significant(check['value'])}, the limit is "
            f"{significant(check['limit'])}", 4
        )  # fmt: skip
    near = order["nearest_price"]
    if near is not None:
        out.line(f"  Price came closest at {significant(near['price'])} at {moment(near['ts'])}; the order's is "
                 f"{significant(near['level'])}, {significant(near['away'])} away")  # fmt: skip
    for fill in out.cut(order["fills"], CONDITIONS_SHOWN):
        _fill(out, fill)
    out.more(len(order["fills"]), CONDITIONS_SHOWN, 2, "fills")
    if order["asked"] is not None:
        print_request(out, order["asked"])


def _fill(out: Screen, fill: Facts) -> None:
    where = "in the bar of" if fill["bar"] is not None else "at"
    out.text(f"  Filled {significant(fill['qty'])} at {significant(fill['price'])} {where} {moment(fill['ts'])}"
             f" as a {fill['liquidity']}: {fill['rule'] or 'the rule is not known'}", 4)  # fmt: skip
    bar = fill["bar"]
    if bar is not None:
        prices = ", ".join(f"{name} {significant(bar[name])}" for name in ("open", "high", "low", "close"))
        out.line(f"    [dim]bar: {prices}[/]")
    out.text(f"    price met {significant(fill['price_met'])}, slippage {significant(fill['slippage'])} "
             f"({number(fill['slippage_bps'], BPS)}), fee {significant(fill['fee'])} "
             f"({number(fill['fee_bps'], BPS)})", 4)  # fmt: skip


def _at(out: Screen, facts: Facts) -> None:
    out.line(f"At {moment(facts['ts'])}  equity {significant(facts['equity'])}")
    instances = facts["instances"]
    is_short = len(instances) > ROWS_SHOWN and not out.show_all
    if is_short:
        out.blank()
        # Instances with a position or a signal first.
        instances = sorted(instances, key=lambda each: (each["position"] is None, each["state"] == "MONITORING"))
    for instance in out.cut(instances, LINES) if is_short else instances:
        if not is_short:
            out.blank()
        _instance(out, instance, is_short=is_short)
    out.more(len(instances), LINES if is_short else len(instances), 0)
    if facts["open_orders"]:
        out.blank()
    for order in out.cut(facts["open_orders"], CONDITIONS_SHOWN):
        out.line(f"Order  {order['order_id']}  {escape(order['instrument'])} {order['role']} {order['type']} "
                 f"{order['side']} {significant(order['qty'])}")  # fmt: skip
    out.more(len(facts["open_orders"]), CONDITIONS_SHOWN, 0, "orders")
    if is_short:
        out.line("[dim]--all has values, verdicts and conditions of each[/]")


def _instance(out: Screen, instance: Mapping[str, Any], *, is_short: bool) -> None:
    rest = f", cooldown {span(instance['cooldown_left_s'])} left" if instance["cooldown_left_s"] else ""
    since = f" since {moment(instance['since_ts'])}" if instance["since_ts"] else ""
    state = "PYTHON" if instance["last_call"] is not None else instance["state"]
    position = instance["position"]
    if is_short:
        held = "" if position is None else f", holds {significant(position['qty'])}"
        out.line(f"{escape(instance['strategy'])} on {escape(instance['instrument'])}: {state}{held}{rest}")
        return
    out.line(f"[bold]{escape(instance['strategy'])}[/] on {escape(instance['instrument'])}: {state}{since}{rest}")
    if position is not None:
        out.line(f"  Position {significant(position['qty'])} at {significant(position['entry_price'])}, "
                 f"unrealised {significant(position['unrealized'])}")  # fmt: skip
    values = ", ".join(f"{name} {significant(value)}" for name, value in instance["values"].items())
    out.text(f"  Values   {escape(values)}  [dim]price {significant(instance['mark'])}[/]", 11)
    print_call(out, instance["last_call"])
    for section in instance["sections"]:
        note = "" if section["is_listened_to"] else " [dim](not evaluated in this state)[/]"
        out.line(f"  {section['section']} {verdict(section['verdict'])}{note}")
        if section["is_listened_to"]:
            _tree(out, section["tree"])
