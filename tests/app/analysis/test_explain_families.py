"""``explain`` answers for every family and feed: on the terminal, as JSON, and in the report of the run."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from click.testing import CliRunner

from sim import tick_market
from sim.market import MINUTE_NS, NO_ACCOUNT_LIMITS, START_NS, A, B, bars, strategy
from tightloop.adapters.data.carry_sample import write_carry_sample
from tightloop.adapters.data.tick_sample.writing import write_tick_sample
from tightloop.app.analysis.explain import explain
from tightloop.app.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
ACCEPT = "holes,cadence,units,straight_line,outliers"

CODE = """
class Own:
    def __init__(self, qty=1):
        self.qty = qty

    def on_bar(self, view, bar):
        view.note(f"volume {bar.volume:g}")
        if bar.volume == 1001:
            view.buy(self.qty, stop_loss_pct=2)
        elif bar.volume == 1008:
            view.close()
        elif bar.volume == 1016:
            view.protect(stop_loss=90)
"""
TICK_CODE = """
class Own:
    def on_quote(self, view, quote):
        if quote.bid_qty == 1001 and view.position() == 0:
            view.buy(1)
        elif quote.bid_qty == 1008:
            view.close()
"""
PYTHON = f"""
name: coded
family: python
class: classes/own.py:Own
instruments: ["{A}"]
timeframe: 1m
capital: 10_000
variants: {{mean: {{type: SMA, period: 2}}}}
costs: {{taker_bps: 0, maker_bps: 0}}
account: {NO_ACCOUNT_LIMITS}
"""
BARS = "100 S1\n100 101 99 100\n101\n102 E1\n103 ZE1\n104\n104"
QUOTES = [(0, 99.9, 100.1), (1, 99.9, 100.1, "S1"), (2, 99.9, 100.1), (3, 100.9, 101.1, "ZE1"), (4, 101, 101.2)]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def carry_data(tmp_path_factory):
    root = tmp_path_factory.mktemp("carry")
    write_carry_sample(root)
    return root


@pytest.fixture(scope="session")
def books(tmp_path_factory):
    root = tmp_path_factory.mktemp("books")
    write_tick_sample(root, ["pump"], seed=1, books=True)
    return root


def tightloop(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_bars(frames, folder="data"):
    for name, frame in frames.items():
        venue, symbol = name.split(":")
        path = Path(folder) / "bars" / venue / f"{symbol}-1m.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path)


def write_class(code):
    Path("classes").mkdir(exist_ok=True)
    Path("classes/own.py").write_text(code, encoding="utf-8")


def made(text, *options, data="data", more=()):
    names = []
    for k, own in enumerate((text, *more)):
        names.append(own if isinstance(own, Path) else Path(f"s{k}.yaml"))
        if not isinstance(own, Path):
            names[-1].write_text(own, encoding="utf-8")
    done = tightloop("backtest", *names, "--data", data, "--out", "run", *options)
    assert done.exit_code == 0, done.output
    return Path("run")


def said(*arguments):
    done = tightloop("explain", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.replace("\N{NO-BREAK SPACE}", " ")  # what compiles is told on stderr


def at_min(minute):
    return START_NS + minute * MINUTE_NS


# One run of every family and feed


def signal_bars(_):
    write_bars({A: bars(BARS)})
    return made(strategy(), "--accept", ACCEPT)


def signal_ticks(_):
    tick_market.write_catalog(Path("data"), {tick_market.A: (QUOTES, [(0.5, 100, 1), (3.5, 101, 1)])})
    return made(tick_market.strategy(), "--accept", "holes")


def signal_books(data):
    return made(ROOT / "strategies" / "ticks" / "book_pump_long.yaml", data=data.books)


def python_bars(_):
    write_bars({A: bars(BARS)})
    write_class(CODE)
    return made(PYTHON, "--accept", ACCEPT)


def python_ticks(_):
    tick_market.write_catalog(Path("data"), {tick_market.A: (QUOTES, [(0.5, 100, 1), (3.5, 101, 1)])})
    write_class(TICK_CODE)
    text = PYTHON.replace(A, tick_market.A).replace("timeframe: 1m", "feed: [trades, quotes]")
    return made(text.replace("{type: SMA, period: 2}", "{type: BID_QTY}"), "--accept", "holes")


def python_quoting(data):
    path = ROOT / "strategies" / "ticks" / "python_quoting.yaml"
    return made(path, "--instrument", "lab:PUMPAUSDT-perp", data=data.books)


def both_families(_):
    write_bars({A: bars(BARS), B: bars(BARS)})
    write_class(CODE)
    return made(PYTHON, "--accept", ACCEPT, more=[strategy(instruments=(B,))])


def carry(name):
    return lambda data: made(ROOT / "strategies" / "carry" / f"{name}.yaml", data=data.carry)


MODES = (
    "btc_basis", "pure_lending_usdt", "eth_leveraged", "usdt_eth_staking_hedged_leveraged",
    "ml_btc_directional_usdt_margin",
)  # fmt: skip
SECTIONS, CLASS = r"S1.*fired", r"Own \(own.py:2\) of coded on "
RUNS = {
    "signal on bars": (signal_bars, SECTIONS, "What kept|Blocked most by"),
    "signal on ticks": (signal_ticks, SECTIONS, "Blocked most by"),
    "signal on books": (signal_books, SECTIONS, "Blocked most by"),
    "python on bars": (python_bars, CLASS, "Entries requested"),
    "python on ticks": (python_ticks, CLASS, "Entries requested"),
    "python that quotes": (python_quoting, r"Quoting \(python_quoting.py:4\)", "Entries requested"),
    "python and signal together": (both_families, CLASS, "Entries requested"),
    **{f"carry {name}": (carry(name), "rule, in order of evaluation", "Why not") for name in MODES},
}


@pytest.mark.parametrize("kind", RUNS)
def test_every_family_is_explained_on_the_terminal_as_json_and_in_the_report(place, books, carry_data, kind):
    make, on_screen, in_report = RUNS[kind]
    run = make(SimpleNamespace(books=books, carry=carry_data))
    output = said(run, "--json", "why.json")
    assert re.search(on_screen, output), output
    lines = output.splitlines()
    assert len(lines) <= 42, output
    facts = json.loads(Path("why.json").read_text(encoding="utf-8"))
    assert facts["run"]["state_hash"] == json.loads((run / "result.json").read_text())["state_hash"]
    assert facts["run"]["is_same_again"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert re.search(in_report, page)
    assert "Not counted for this run" not in page
    begin = facts["run"]["from"] if kind.startswith("carry") else None
    when = begin + 3_600_000_000_000 if begin else pl.read_parquet(run / "equity.parquet")["ts"][2]
    assert "At 20" in said(run, "--at", str(when))
    order = pl.read_parquet(run / "orders.parquet")["order_id"][0]
    assert f"Order {order}" in said(run, "--order", order)


# Strategies in Python


def coded(code=CODE, table=BARS, text=PYTHON, *options):
    write_bars({A: bars(table)})
    write_class(code)
    return made(text, "--accept", ACCEPT, "--no-report", *options)


def test_every_call_and_what_it_wanted_is_counted(place):
    (own,) = explain(coded())["python"]
    assert own["calls"] == {"on_bar": 7}
    assert own["quiet"] == {"on_bar": 4}
    assert [(row["what"], row["count"], row["sent"], row["denied"]) for row in own["wanted"]] == [
        ("entry", 1, 1, {}), ("exit", 1, 1, {}), ("protection", 1, 1, {}),
    ]  # fmt: skip
    assert own["fills"] == 2
    assert own["note_count"] == 7
    assert own["notes"][-1] == {"ts": at_min(7), "text": "volume 1000"}


def test_an_order_of_python_says_what_the_strategy_was_given_and_asked(place):
    run = coded()
    order = pl.read_parquet(run / "orders.parquet").filter(pl.col("role") == "entry")["order_id"][0]
    own = explain(run, order=order)["order"]["asked"]
    assert (own["callback"], own["ts"], own["answer"]) == ("on_bar", at_min(1), "sent")
    assert own["asked"] == {"side": "BUY", "type": "market", "qty": 1.0, "stop_loss_pct": 2.0}
    assert (own["told"]["close"], own["told"]["volume"], own["told"]["instrument"]) == (100, 1001, A)
    assert own["given"] == {"mean": None, "price": 100, "position": 0, "equity": 10_000}
    output = said(run, "--order", order)
    assert "in on_bar: entry BUY market qty 1" in output
    assert "known  mean" in output


@pytest.mark.parametrize(
    ("limits", "code", "reason", "value", "limit"),
    [
        ("max_position_pct: 5", "view.buy(6)", "max_position", 600, 500),
        ("max_margin_pct: 10", "view.buy(44, leverage=4)", "max_margin", 1100, 1000),
        ("max_leverage: 3", "view.buy(1, leverage=4)", "max_leverage", 4, 3),
        ("max_position_pct: 5", "view.buy(3) and view.buy(4)", "max_position", 700, 500),
    ],
)
def test_a_denial_of_python_has_the_value_of_its_moment_and_the_limit(place, limits, code, reason, value, limit):
    account = NO_ACCOUNT_LIMITS.rstrip("}") + f", {limits}}}"
    name = limits.split(":")[0]
    account = re.sub(rf"{name}: null, ", "", account)
    body = f"class Own:\n    def on_bar(self, view, bar):\n        if bar.volume == 1001:\n            {code}\n"
    text = PYTHON.replace(f"account: {NO_ACCOUNT_LIMITS}", f"account: {account}").replace("A}", "A}")
    text = text.replace(A, A)
    write_bars({A: bars("100 S1\n150\n150")})
    write_class(body)
    run = made(text, "--accept", ACCEPT, "--no-report")
    order = pl.read_parquet(run / "orders.parquet").filter(pl.col("state") == "DENIED").row(0, named=True)
    assert order["reason"] == reason
    own = explain(run, order=order["order_id"])["order"]
    assert (own["check"]["value"], own["check"]["limit"]) == (pytest.approx(value), pytest.approx(limit))
    assert own["asked"]["answer"] == reason
    (facts,) = explain(run)["python"]
    assert sum(row["denied"].get(reason, 0) for row in facts["wanted"]) == 1


def test_a_class_that_wanted_nothing_is_said_to_have_been_called(place):
    run = coded("class Own:\n    def on_bar(self, view, bar):\n        pass\n")
    output = said(run)
    assert "Called   on_bar 7 (7 quiet)" in output
    assert "Requests none" in output
    assert "Not visible: what the class compares" in output
    assert "view.note" in output


def test_the_last_call_before_a_time_is_told(place):
    own = explain(coded(), at="2024-01-01T00:02:00")["at"]["instances"][0]
    assert own["last_call"]["callback"] == "on_bar"
    assert own["last_call"]["ts"] == at_min(2)
    assert own["last_call"]["notes"] == ["volume 1000"]
    assert own["position"]["qty"] == 1
    assert own["values"]["mean"] == 100


def test_a_class_that_does_not_decide_the_same_twice_is_named_as_such(place):
    touched = "            again = Path('again').exists()\n            Path('again').touch()\n"
    code = CODE.replace("class Own:", "from pathlib import Path\n\n\nclass Own:")
    code = code.replace("            view.buy(self.qty,", f"{touched}            view.buy(self.qty + again,")
    run = coded(code)
    done = tightloop("explain", run)
    assert done.exit_code == 2
    assert "the class does not decide the same way twice" in done.output


def test_the_folder_of_a_run_is_enough_when_the_sources_of_a_class_are_gone(place):
    run = coded()
    facts = explain(run)
    shutil.rmtree("classes")
    Path("s0.yaml").unlink()
    assert explain(run) == facts
    assert tightloop("validate", run / "strategy.yaml").exit_code == 0


def test_notes_change_no_hash_of_the_state(place):
    run = coded()
    with_notes = json.loads((run / "result.json").read_text())["state_hash"]
    run = coded(re.sub(r"        view.note.*\n", "", CODE))
    assert json.loads((run / "result.json").read_text())["state_hash"] == with_notes


def test_conditions_are_explained_beside_a_strategy_in_python(place):
    facts = explain(both_families(None))
    s1 = next(own for own in facts["why_not"] if own["section"] == "S1")
    assert (s1["instrument"], s1["fired"], s1["true"]) == (B, 1, 1)
    assert [own["strategy"] for own in facts["python"]] == ["coded"]


# Many instruments


def many(count):
    names = [f"test:C{k:02d}USDT-perp" for k in range(count)]
    write_bars({name: bars("\n".join("100 S1" if j % (k + 2) == 0 else "100" for j in range(60)))
                for k, name in enumerate(names)})  # fmt: skip
    return made(strategy(instruments=names), "--accept", ACCEPT, "--no-report"), names


@pytest.mark.parametrize("count", [6, 24])
def test_many_instruments_are_answered_on_one_screen_and_all_of_them_on_request(place, count):
    run, names = many(count)
    output = said(run, "--json", "why.json")
    lines = output.splitlines()
    assert len(lines) <= 40, output
    assert max(len(line) for line in lines if "--order" not in line and "same state" not in line) <= 80, output
    assert re.search(r"\(\+\d+ more: --all\)", output)
    facts = json.loads(Path("why.json").read_text(encoding="utf-8"))
    assert {own["instrument"] for own in facts["why_not"]} == set(names)
    whole = said(run, "--all")
    assert "more: --all" not in whole
    for name in names:
        assert f"S1 tiny on {name}" in whole
    at = said(run, "--at", "2024-01-01T00:30:00")
    assert len(at.splitlines()) <= 42, at


# Any


def section_of(tree, table="100 100 100 100 1000\n" * 6, variants=""):
    write_bars({A: bars(table)})
    run = made(strategy(s1=tree, ze1="", e1="", o1="", variants=variants), "--accept", ACCEPT, "--no-report")
    return next(own for own in explain(run)["why_not"] if own["section"] == "S1"), run


def by_text(own):
    return {condition["text"]: condition for condition in own["conditions"]}


def test_an_any_blocks_as_a_whole_and_no_alternative_does(place):
    own, run = section_of("all: [{vol: '> 0'}, {any: [{px: '> 110'}, {px: '< 90'}]}]")
    found = by_text(own)
    assert (found["any of"]["alone"], found["px > 110"]["alone"], found["px < 90"]["alone"]) == (6, 0, 0)
    assert (found["px > 110"]["enough"], found["px < 90"]["enough"]) == (6, 6)
    assert own["conditions"][own["blocked_most"]]["text"] == "any of"
    assert own["one_short"] == 6
    output = said(run)
    assert "Most often in the way: any of (px > 110; px < 90), 6 times the only one" in output
    assert "Blocked most" not in output
    assert "One of them is enough: px > 110 moved beyond 100: 6 more TRUE." in output


def test_an_any_inside_an_all_is_not_blamed_for_what_the_all_misses(place):
    own, _ = section_of("all: [{px: '> 110'}, {any: [{px: '> 90'}, {px: '< 90'}]}]")
    found = by_text(own)
    assert (found["any of"]["alone"], found["px > 110"]["alone"]) == (0, 6)
    assert own["conditions"][own["blocked_most"]]["text"] == "px > 110"


def test_below_not_an_any_has_to_be_false_and_each_of_its_parts_blocks(place):
    own, _ = section_of("all: [{not: {any: [{px: '> 90'}, {px: '> 110'}]}}, {vol: '> 0'}]")
    found = by_text(own)
    assert "any of" not in found, "all of its parts have to be FALSE: nothing is chosen"
    assert (found["px > 90"]["alone"], found["px > 110"]["alone"]) == (6, 0)
    own, _ = section_of("not: {all: [{px: '> 90'}, {vol: '> 0'}]}")
    found = by_text(own)
    assert (found["all of"]["alone"], found["px > 90"]["alone"], found["vol > 0"]["alone"]) == (6, 0, 0)
    assert (found["all of"]["needed"], own["conditions"][own["blocked_most"]]["text"]) == ("FALSE", "all of")


def test_a_hold_over_an_any_blocks_and_its_alternatives_do_not(place):
    own, _ = section_of("hold: [{any: [{px: '> 110'}, {px: '< 90'}]}, 120]", "120\n120\n100\n120\n120\n100")
    found = by_text(own)
    hold, choice = found["hold for 120 s"], found["any of"]
    # It held from the first close on, for 60 s at the second, and broke off at the third; again from the fourth on.
    assert (own["true"], hold["alone"], choice["alone"]) == (0, 6, 2)
    assert (found["px > 110"]["alone"], found["px > 110"]["enough"], found["px < 90"]["enough"]) == (0, 2, 2)
    assert own["conditions"][own["blocked_most"]]["text"] == "hold for 120 s"


def test_an_any_of_one_is_no_choice_and_an_in_is_named_as_it_is_written(place):
    own, _ = section_of("any: [{px: '> 110'}]")
    assert by_text(own)["px > 110"]["alone"] == 6
    own, run = section_of("all: [{px: 'in 1 2'}, {vol: '> 0'}]")
    assert own["conditions"][own["blocked_most"]]["text"] == "px in 1, 2"
    assert "Blocked most: px in 1, 2, 6 times the only one" in said(run)


def test_an_any_in_an_any_blocks_once(place):
    own, _ = section_of("any: [{all: [{px: '> 110'}, {vol: '> 0'}]}, {any: [{px: '< 90'}, {px: '< 80'}]}]")
    blocking = [row for row in own["conditions"] if row["alone"]]
    assert [(row["depth"], row["alone"]) for row in blocking] == [(0, 6)]
    assert own["one_short"] == 6


# Data that changed


def test_data_that_changed_are_named_and_not_the_engine(place):
    run = coded()
    write_bars({A: bars(BARS.replace("104\n104", "104\n105"))})
    done = tightloop("explain", run)
    assert done.exit_code == 2
    assert "are not those of the run (data hash " in done.output
    assert "engine" not in done.output
