"""What ``explain`` says of stops, trails and liquidations that were set off: at which price, and by which rule."""

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from sim import tick_market
from sim.market import A, bars, strategy
from tightloop.app.analysis.explain import explain
from tightloop.app.cli.main import main

ACCEPT = "holes,cadence,units,straight_line,outliers"
AT_OPEN = "the bar opened at or beyond the stop, so it filled at that open"
INSIDE = "price touched the stop inside the bar, so it filled at the stop"
TRAILED = "price passed the trailing stop inside the bar, which may have moved the stop itself: it filled there"
BEFORE = "the stop was triggered before the bar began, so it filled at its open, whatever that was"
THROUGH = "price traded through the limit inside the bar, so it filled at the limit"
BY_FORCE = "the position was liquidated at its liquidation price"
BY_FORCE_OPEN = "the position was liquidated at the open, which was beyond its liquidation price"
STOP = {"stop": "{type: percent, value: 3}"}
TRAIL = {"stop": "{type: trailing, trail_pct: 2}"}
BY_VARIANT = {"stop": "{type: trailing, variant: vol, multiple: 0.01}"}
"""The hundredth of a bar's volume is its distance: 10 of 1,000."""


def stop_order(kind, more=""):
    return {"order": f"{{type: {kind}, price: close, offset_bps: 100{more}}}"}


LONGS = {
    # given, bars from the one of S1 on, role, price, rule
    "a stop inside": (STOP, "100 S1\n100\n100 100 96 98", "stop_loss", 97, INSIDE),
    "a stop at an open": (STOP, "100 S1\n100\n95 96 94 95", "stop_loss", 95, AT_OPEN),
    "a stop exactly at an open": (STOP, "100 S1\n100\n97 98 97 98", "stop_loss", 97, AT_OPEN),
    "a trail that its own bar passed": (TRAIL, "100 S1\n100\n100 110 100 105", "trailing", 107.8, TRAILED),
    "a trail that a later bar met": (
        TRAIL, "100 S1\n100\n100 110 100 110\n109 109 105 106", "trailing", 107.8, TRAILED,
    ),
    "a trail beyond which a bar opened": (TRAIL, "100 S1\n100\n100 110 100 110\n104", "trailing", 104, AT_OPEN),
    "a trail that armed late": (
        {"stop": "{type: trailing, trail_pct: 2, arm_pct: 5}"}, "100 S1\n100\n100 110 100 110\n109 109 105 106",
        "trailing", 107.8, TRAILED,
    ),
    "a trail that came nearer than the close": (
        BY_VARIANT, "100 S1\n100 100 100 100 1000\n100 100 95 96 200\n99", "trailing", 99, BEFORE,
    ),
    "and below which the next bar opened": (
        BY_VARIANT, "100 S1\n100 100 100 100 1000\n100 100 95 96 200\n97", "trailing", 97, AT_OPEN,
    ),
    "an entry by a stop inside": (stop_order("stop"), "100 S1\n100 102 100 102", "entry", 101, INSIDE),
    "an entry by a stop at an open": (stop_order("stop"), "100 S1\n103", "entry", 103, AT_OPEN),
    "a stop_limit at its stop": (
        stop_order("stop_limit", ", limit_offset_bps: 100"), "100 S1\n100 102 100 102", "entry", 101, INSIDE,
    ),
    "a stop_limit set off beyond its limit": (
        stop_order("stop_limit", ", limit_offset_bps: 100"), "100 S1\n104\n104 104 101 103", "entry", 102.01, THROUGH,
    ),
    "a liquidation inside": ({"leverage": 10}, "100 S1\n100\n100 100 80 85", "liquidation", 90 / 0.995, BY_FORCE),
    "a liquidation at an open": ({"leverage": 10}, "100 S1\n100\n80", "liquidation", 80, BY_FORCE_OPEN),
}  # fmt: skip
SHORTS = {
    "a stop inside": (STOP, "100 S1\n100\n100 104 100 102", "stop_loss", 103, INSIDE),
    "a stop at an open": (STOP, "100 S1\n100\n105", "stop_loss", 105, AT_OPEN),
    "a trail that its own bar passed": (TRAIL, "100 S1\n100\n100 100 90 95", "trailing", 91.8, TRAILED),
    "a trail beyond which a bar opened": (TRAIL, "100 S1\n100\n100 100 90 90\n96", "trailing", 96, AT_OPEN),
    "a trail that came nearer than the close": (
        BY_VARIANT, "100 S1\n100 100 100 100 1000\n100 105 100 104 200\n101", "trailing", 101, BEFORE,
    ),
    "a liquidation inside": ({"leverage": 10}, "100 S1\n100\n100 120 100 110", "liquidation", 110 / 1.005, BY_FORCE),
}  # fmt: skip
CASES = [("LONG", *own) for own in LONGS.values()] + [("SHORT", *own) for own in SHORTS.values()]
NAMES = [f"LONG: {name}" for name in LONGS] + [f"SHORT: {name}" for name in SHORTS]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tightloop(*arguments):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


def fill_of(text, role):
    """The one fill of an order of a role, as ``explain`` has it; and what is said of it on the terminal."""
    Path("s.yaml").write_text(text)
    tightloop("backtest", "s.yaml", "--out", "run", "--no-report", "--accept", ACCEPT)
    fills = pl.read_parquet("run/fills.parquet").filter(pl.col("role") == role)
    assert fills.height == 1, fills
    order = fills["order_id"][0]
    (own,) = explain("run", order=order)["order"]["fills"]
    return own, tightloop("explain", "run", "--order", order)


@pytest.mark.parametrize(("side", "given", "table", "role", "price", "rule"), CASES, ids=NAMES)
def test_what_set_an_order_off_is_said_by_its_rule(place, side, given, table, role, price, rule):
    path = Path("data/bars/test/AAAUSDT-perp-1m.parquet")
    path.parent.mkdir(parents=True)
    bars(f"{table}\n100").write_parquet(path)
    own, said = fill_of(strategy(direction=side, instruments=(A,), **given), role)
    assert (own["price"], own["rule"]) == (pytest.approx(price), rule)
    assert rule in said


TICK_STOP = "its trigger was reached, and it took what the book showed at that time"


@pytest.mark.parametrize(
    ("given", "role", "price", "rule"),
    [
        ({"stop": "{type: percent, value: 3}"}, "stop_loss", 95.9, TICK_STOP),
        ({"stop": "{type: trailing, trail_pct: 3}"}, "trailing", 95.9, TICK_STOP),
        ({"order": "{type: stop, price: 99, offset_bps: 200}"}, "entry", None, TICK_STOP),
    ],
)
def test_on_ticks_it_is_the_trigger_and_the_book(place, given, role, price, rule):
    """Bought at 100.1, 3 % below is 97.097: the print at 96 is beyond it, and the bid is 95.9 then."""
    if role == "entry":
        quotes = [(0, 99.9, 100.1), (1, 99.9, 100.1, "S1"), (2, 99.9, 100.1), (3, 101.9, 102.1), (4, 102, 102.2)]
        prints = [(0.5, 100, 1), (3.5, 102, 1)]
    else:
        quotes = [(0, 99.9, 100.1), (1, 99.9, 100.1, "S1"), (2, 99.9, 100.1), (3, 95.9, 96.1), (4, 95.9, 96.1)]
        prints = [(0.5, 100, 1), (3.5, 96, 1), (3.8, 96, 1)]
    tick_market.write_catalog(Path("data"), {tick_market.A: (quotes, prints)})
    own, said = fill_of(tick_market.strategy(**given), role)
    assert own["rule"] == rule
    assert price is None or own["price"] == pytest.approx(price)
    assert rule in said
