"""Why and why not: what ``explain`` says of a run against numbers worked out from the bars alone."""

import io
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from rich.console import Console

from sim.market import MINUTE_NS, NO_ACCOUNT_LIMITS, START_NS, A, B, bars, strategy
from tightloop.app.analysis import orders as analysis_orders
from tightloop.app.analysis.explain import explain
from tightloop.app.cli.main import main
from tightloop.app.cli.show.rows import cut_last, grid
from tightloop.core.checks import all_checks
from tightloop.core.domain.enums import Reason
from tightloop.runtime.results import denials as runtime_denials

MAGNITUDE = "magnitude: {type: ROC, period: 1}"
PUMP = "all: [{magnitude: '>= 7'}, {vol: '> 900'}]"
CLOSES = (100, 101, 102, 108.222, 108, 103, 104, 110, 99, 100)
"""The largest move of one bar is 6.1 %: from 102 to 108.222, in the bar of minute 3, known at minute 4."""
ACCEPT = "holes,cadence,units,straight_line,outliers"


def at_min(minute):
    return START_NS + round(minute * MINUTE_NS)


def flat_bars(closes):
    return bars("\n".join(str(close) for close in closes))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_data(frames, folder="data"):
    for name, frame in frames.items():
        venue, symbol = name.split(":")
        path = Path(folder) / "bars" / venue / f"{symbol}-1m.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path)


def tightloop(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def made(text, frames, *options):
    """Run a strategy over frames; the folder of its files."""
    write_data(frames if isinstance(frames, dict) else {A: frames})
    texts = [text] if isinstance(text, str) else text
    names = []
    for k, own in enumerate(texts):
        names.append(f"s{k}.yaml")
        Path(names[-1]).write_text(own)
    done = tightloop("backtest", *names, "--out", "run", "--no-report", "--accept", ACCEPT, *options)
    assert done.exit_code == 0, done.output
    return Path("run")


def said(*arguments):
    done = tightloop("explain", *arguments)
    assert done.exit_code == 0, done.output
    return done.output.replace("\N{NO-BREAK SPACE}", " ")


def section(facts, name, instrument=A):
    return next(own for own in facts["why_not"] if (own["section"], own["instrument"]) == (name, instrument))


def table(name):
    return pl.read_parquet(f"run/{name}.parquet")


# Why not


def test_the_closest_approach_of_a_signal_that_never_came(place):
    run = made(strategy(variants=MAGNITUDE, s1=PUMP, ze1="", e1="", o1=""), flat_bars(CLOSES))
    own = section(explain(run), "S1")
    magnitude, volume = own["conditions"]
    assert (own["evaluations"], own["true"], own["unknown"], own["fired"]) == (10, 0, 1, 0)
    assert magnitude["text"] == "magnitude >= 7"
    assert magnitude["nearest"]["ts"] == at_min(4)
    assert magnitude["nearest"]["value"] == pytest.approx(6.1)
    assert magnitude["nearest"]["gap"] == pytest.approx(0.9)
    assert (magnitude["true"], magnitude["false"], magnitude["unknown"]) == (0, 9, 1)
    assert (volume["true"], volume["false"], volume["unknown"]) == (10, 0, 0)
    assert (own["one_short"], magnitude["alone"], magnitude["alone_unknown"], own["blocked_most"]) == (10, 10, 1, 0)
    output = said(run)
    assert re.search(r"magnitude >= 7\s+0\s+9\s+1\s+10\s+6.1\s+0.9\s+2024-01-01 00:04", output), output
    assert "nearest of these 6.1 against 7 at 2024-01-01 00:04, missed by 0.9" in output
    assert "not trades or profit" in output


def test_what_a_moved_threshold_would_have_done_is_counted_not_guessed(place):
    rng = np.random.default_rng(5)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, 400)))
    run = made(strategy(variants=MAGNITUDE, s1="all: [{magnitude: '> 9'}, {px: '> 80'}, {not: {px: '>= 140'}}]"),
               flat_bars(closes))  # fmt: skip
    rate = 100 * (closes[1:] / closes[:-1] - 1)
    others = (closes[1:] > 80) & (closes[1:] < 140)
    own = section(explain(run), "S1")
    assert own["true"] == 0
    moved = own["conditions"][0]["moved"]
    assert [step["more"] for step in moved] == [1, 2, 5, 10, 20, 50]
    for step in moved:
        assert step["is_beyond"], "the operator is >, so the threshold has to be below the value"
        beyond = math.nextafter(step["to"], -math.inf)
        assert np.sum((rate > beyond + 1e-12) & others) == step["more"] or np.isclose(rate, step["to"]).any()
        assert np.sum((rate >= step["to"] - 1e-9) & others) == step["more"]
    option = moved[0]["setting"]
    again = tightloop("backtest", "s0.yaml", "--out", "again", "--no-report", "--accept", ACCEPT, "--set", option)
    assert again.exit_code == 0, again.output
    signals = pl.read_parquet("again/signals.parquet").filter(pl.col("section") == "S1")
    assert signals["ts"].to_list() == [own["conditions"][0]["alone_nearest"][0]["ts"]]


HELD = "101\n101\n101\n99\n101\n101\n101\n99\n101\n99"
"""Above 100 for two minutes twice, and for none at the end: closes of minutes 1 to 3, 5 to 7 and 9."""


def test_a_hold_says_how_long_it_held_and_what_a_shorter_one_would_have_done(place):
    run = made(strategy(s1="all: [{hold: [{px: '> 100'}, 180]}, {px: '< 150'}]", ze1="", e1="", o1=""), bars(HELD))
    own = section(explain(run), "S1")
    hold, inside, other = own["conditions"]
    assert (own["true"], own["one_short"], own["blocked_most"]) == (0, 10, 0)
    assert (hold["text"], hold["unit"], hold["path"]) == ("hold for 180 s", "s", "sections.S1.all.0.hold.1")
    assert (hold["true"], hold["false"], hold["alone"]) == (0, 10, 10)
    assert (hold["nearest"]["value"], hold["nearest"]["gap"], hold["nearest"]["ts"]) == (120, 60, at_min(3))
    assert [(step["more"], step["to"]) for step in hold["moved"]] == [(2, 120), (4, 60)]
    assert hold["alone_unknown"] == 6, "a hold of no time is no hold"
    assert (inside["text"], inside["true"], inside["false"], inside["alone"]) == ("px > 100", 7, 3, 2)
    assert [own["ts"] for own in inside["alone_nearest"]] == [at_min(4), at_min(8)], "it broke off what was complete"
    assert (inside["nearest"]["value"], inside["nearest"]["gap"], inside["moved"]) == (99, 1, [])
    assert inside["not_moved"].startswith("inside a hold: ")
    assert (other["true"], other["not_moved"]) == (10, None)
    output = said(run)
    assert re.search(r"hold for 180 s\s+0\s+10\s+0\s+10\s+120 s\s+60 s\s+2024-01-01 00:03", output), output
    assert "Other thresholds not evaluated: px > 100 (inside a hold: " in output
    option = hold["moved"][0]["setting"]
    assert option == "sections.S1.all.0.hold.1=120.0"
    again = tightloop("backtest", "s0.yaml", "--out", "again", "--no-report", "--accept", ACCEPT, "--set", option)
    assert again.exit_code == 0, again.output
    signals = pl.read_parquet("again/signals.parquet").filter(pl.col("section") == "S1")
    assert signals["ts"][0] == hold["alone_nearest"][0]["ts"]


def test_a_hold_that_must_not_be_true_says_by_how_much_it_was(place):
    run = made(strategy(s1="not: {hold: [{px: '> 100'}, 60]}", ze1="", e1="", o1=""), bars("101\n" * 5))
    own = section(explain(run), "S1")["conditions"][0]
    # The first close holds for no time yet, and fires; from the position on S1 is not listened to.
    assert (own["needed"], own["false"], own["true"]) == ("FALSE", 1, 0)
    run = made(strategy(s1="all: [{not: {hold: [{px: '> 100'}, 60]}}, {px: '> 103'}]", ze1="", e1="", o1=""),
               bars("101\n101\n104\n104"))  # fmt: skip
    own = section(explain(run), "S1")["conditions"][0]
    assert (own["alone"], own["nearest"]["value"], own["nearest"]["gap"]) == (2, 60, 0)
    assert [(step["more"], step["to"], step["is_beyond"]) for step in own["moved"]] == [(1, 120, True), (2, 180, True)]
    option = own["moved"][0]["setting"]
    again = tightloop("backtest", "s0.yaml", "--out", "again", "--no-report", "--accept", ACCEPT, "--set", option)
    assert again.exit_code == 0, again.output
    assert pl.read_parquet("again/signals.parquet")["ts"][0] == at_min(3)


def test_a_crossing_says_how_near_it_came_and_that_no_threshold_is_moved(place):
    text = strategy(s1="all: [{px: crosses_above roof}]", variants="roof: {type: SMA, period: 5}", ze1="", e1="", o1="")
    closes = (100, 99, 98, 97, 96, 95, 96.5, 95, 94)
    run = made(text, flat_bars(closes))
    (own,) = section(explain(run), "S1")["conditions"]
    gaps = {k: np.mean(closes[k - 4 : k + 1]) - closes[k] for k in range(4, 9)}
    nearest = min(gaps, key=gaps.get)
    assert nearest == 6, "96.5 against 96.5 is not above"
    assert (own["true"], own["false"], own["unknown"]) == (0, 4, 5), "the first known value is crossed by nobody"
    assert own["nearest"]["ts"] == at_min(nearest + 1)
    assert own["nearest"]["gap"] == pytest.approx(gaps[nearest])
    assert (own["moved"], own["not_moved"].split(":")[0]) == ([], "a crossing")
    assert "Other thresholds not evaluated: px crosses_above roof (a crossing: " in said(run)


def test_a_seq_says_how_many_parts_had_come(place):
    run = made(strategy(s1="seq: [[{px: '> 105'}, {px: '< 95'}, {px: '> 100'}], 120]", ze1="", e1="", o1=""),
               bars("106\n94\n99\n99\n99\n106\n99"))  # fmt: skip
    seq, *parts = section(explain(run), "S1")["conditions"]
    assert (seq["text"], seq["unit"], seq["path"]) == ("one after another within 120 s", "parts", None)
    assert (seq["nearest"]["value"], seq["nearest"]["threshold"], seq["nearest"]["gap"]) == (2, 3, 1)
    assert seq["nearest"]["ts"] == at_min(2)
    assert seq["not_moved"].startswith("a seq: ")
    assert [own["nearest"]["gap"] for own in parts] == [6, 4, 1]
    output = said(run)
    assert re.search(r"one after another .* 2 of 3\s+1\s+2024-01-01 00:02\s+within 120 s", output), output
    assert "Other thresholds not evaluated: one after another within 120 s (a seq: " in output
    assert "(inside a seq: " in output


def test_what_slots_locks_and_cooldowns_held_back_is_counted_at_every_evaluation(place):
    text = strategy(instruments=(A, B), limits="{max_concurrent_positions: 1}", ze1="all: [{vol: '== 1008'}], "
                    "cooldown_min: 2", e1="", o1="")  # fmt: skip
    quiet = "100\n100\n100\n100\n100\n100"
    run = made(
        text, {A: bars("100 S1\n100 ZE1\n100 S1\n100 S1\n100\n100"), B: bars(quiet.replace("100\n", "100 S1\n"))}
    )
    own = {row["instrument"]: row for row in explain(run)["suppressed"]}
    transitions = table("transitions").filter(pl.col("instrument") == A)
    left = transitions.filter(pl.col("to_state") == "EXITED")["ts"][0]
    assert own[A]["cooldown"] == sum(left < at_min(k) < left + 2 * MINUTE_NS for k in (1, 3, 4))
    assert own[B]["slots_full"] == 2
    assert "slots full 2" in said(run)


# Why


def test_a_signal_that_fired_has_the_values_that_the_bars_give(place):
    run = made(strategy(variants=MAGNITUDE, s1=PUMP.replace("7", "6"), ze1="", e1="", o1=""), flat_bars(CLOSES))
    signal = table("signals")["signal_id"][0]
    facts = explain(run, signal=signal)["signal"]
    first, second = facts["sections"]
    assert (first["section"], second["section"], first["ts"]) == ("S1", "Z1", at_min(4))
    move = 100 * (108.222 / 102 - 1)
    for conditions in (first["conditions"], [own for own in first["tree"] if "value" in own]):
        assert [own["value"] for own in conditions] == pytest.approx([move, 1000])
        assert [own["threshold"] for own in conditions] == [6, 900]
        assert [own["verdict"] for own in conditions] == ["TRUE", "TRUE"]
    assert [own["verdict_again"] for own in first["tree"] if "value" in own] == ["TRUE", "TRUE"]
    assert (first["tree"][0]["text"], first["tree"][0]["depth"]) == ("all of", 0)
    assert first["is_equal"]
    output = said(run, "--signal", signal)
    assert re.search(r"magnitude >= 6\s+TRUE\s+6.1\s+>= 6", output), output


def test_every_firing_of_a_busy_run_comes_out_again_as_it_was_stored(place):
    rng = np.random.default_rng(3)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 300)))
    text = strategy(
        variants=MAGNITUDE + ", slow: {type: EMA, period: 5}, pnl: {type: UNREALIZED_PNL_PCT}",
        s1="any: [{px: crosses_above slow}, {all: [{magnitude: between 0.5 1}, {not: {px: '< slow'}}]}]",
        o1="timeout_s: 180", z1="all: [{hold: [{magnitude: '> 0'}, 60]}]",
        ze1="any: [{magnitude: '< -1'}, {pnl: '> 2'}], cooldown_min: 1", e1="all: [{pnl: '< -1.5'}]",
    )  # fmt: skip
    run = made(text, flat_bars(closes))
    signals = table("signals")
    assert set(signals["section"]) == {"S1", "O1", "Z1", "ZE1", "E1"}
    for signal in signals["signal_id"].unique(maintain_order=True).head(12):
        for own in explain(run, signal=signal)["signal"]["sections"]:
            assert own["is_equal"], own
            assert all(node["verdict_again"] in (None, node["verdict"]) for node in own["tree"] if "value" in node)


# Orders


def test_an_order_that_was_denied_names_the_check_its_value_and_its_limit(place):
    account = NO_ACCOUNT_LIMITS.replace("max_position_pct: null", "max_position_pct: 10")
    run = made(strategy(size="{type: units, value: 12}", account=account), bars("100 S1\n100\n100"))
    order = table("orders").row(0, named=True)
    own = explain(run, order=order["order_id"])["order"]
    assert (own["state"], own["reason"]) == ("DENIED", "max_position")
    assert own["check"]["value"] == pytest.approx(1200)
    assert own["check"]["limit"] == pytest.approx(1000)
    output = said(run, "--order", order["order_id"])
    assert "notional of the position with this order 1200, the limit is 1000" in output
    assert f"--order {order['order_id']}" in said(run), "the run as a whole names an order that was denied"


def account(**limits):
    """An account with these limits alone."""
    own = dict(part.split(": ") for part in NO_ACCOUNT_LIMITS.strip("{}").split(", ")) | limits
    return "{" + ", ".join(f"{name}: {value}" for name, value in own.items()) + "}"


TIERS = (
    "[{notional_max: 400, maintenance_pct: 1, leverage_max: 20}, "
    "{notional_max: 1000000, maintenance_pct: 2, leverage_max: 3}]"
)
FALLING = "100 S1\n100\n94 ZE1\n94\n94 S1\n94\n94"
AT_ONCE = {A: bars("100 S1\n100\n100"), B: bars("100\n100 S1\n100")}
DENIED = {
    "max_symbol": ({"size": "{type: units, value: 40}", "account": account(max_symbol_pct=30)}, None, 4000, 3000),
    "max_portfolio": (
        {"size": "{type: units, value: 9}", "account": account(max_portfolio_pct=10)}, AT_ONCE, 1800, 1000),
    "max_order_notional": ({"account": account(max_order_notional=99)}, None, 100, 99),
    "max_positions": ({"account": account(max_positions=1)}, AT_ONCE, 1, 1),
    "max_margin": ({"size": "{type: units, value: 90}", "account": account(max_margin_pct=80)}, None, 9000, 8000),
    "max_leverage": ({"leverage": 9, "size": "{type: units, value: 5}"}, None, 9, 3),
    "price_band": ({"order": "{type: limit, price: 80}", "account": account(price_band_pct=5)}, None, 20, 5),
    "daily_loss": ({"size": "{type: units, value: 90}", "account": account(daily_loss_pct=5)}, FALLING, 540, 500),
    "max_drawdown": ({"size": "{type: units, value: 90}", "account": account(max_drawdown_pct=5)}, FALLING, 5.4, 5),
    "max_daily_trades": ({"limits": "{max_daily_trades: 1}"}, FALLING, 1, 1),
    "loss_streak": ({"limits": "{max_losses_in_row: 1}"}, FALLING, 1, 1),
    "strategy_daily_loss": ({"limits": "{daily_loss_pct: 0.05}"}, FALLING, 6, 5),
    "insufficient_cash": (
        {"size": "{type: units, value: 90}", "costs": "{taker_bps: 10, slippage: {type: fixed, bps: 100}}"}, AT_ONCE,
        90 * 101 * 1.001, 10_000 - 90 * 101 * 1.001 - 90),
    "loss_cooldown": ({"limits": "{loss_cooldown_min: 30}"}, FALLING, None, None),
    "price_unknown": ({"order": "{type: limit, price: late}", "variants": "late: {type: EMA, period: 50}"}, None,
                      None, None),
}  # fmt: skip


@pytest.mark.parametrize("reason", DENIED)
def test_every_check_names_what_it_compared(place, reason):
    given, market, value, limit = DENIED[reason]
    market = bars("100 S1\n100\n100") if market is None else market
    market = bars(market) if isinstance(market, str) else market
    instruments = tuple(market) if isinstance(market, dict) else (A,)
    Path("data").mkdir()
    if reason == "max_leverage":
        Path("data/instruments.yaml").write_text(f'"{A}": {{margin_tiers: {TIERS}}}\n')
    made(strategy(instruments=instruments, **given), market)
    order = table("orders").filter(pl.col("state") == "DENIED").row(0, named=True)
    assert order["reason"] == reason
    own = explain("run", order=order["order_id"])["order"]
    assert own["why"]
    assert (own["check"]["value"], own["check"]["limit"]) == (
        (None, None) if value is None else (pytest.approx(value), pytest.approx(limit))
    )
    said("run", "--order", order["order_id"])


def test_every_reason_of_a_denial_has_its_words():
    denials = {reason.name.lower() for reason in Reason if 10 <= reason < 50}
    denials |= {c.__name__.rpartition(".")[2] for c in all_checks() if c.REASON not in set(Reason)}
    told = {*analysis_orders.REFUSED, *analysis_orders.CHECKS}
    assert sorted(denials - told) == []
    remedies = {*runtime_denials.OF_ACCOUNT, *runtime_denials.OF_STRATEGY, *runtime_denials.OTHERS}
    assert sorted(denials - remedies - {"unknown_outcome"}) == []  # of venues that do not answer: none in a backtest
    assert {"insufficient_cash", "ruined"} <= set(analysis_orders.ENDED)


ONE_EACH = """
100 S1
101 103 100 102
102 104 97 99
99
"""


def test_an_order_that_filled_names_the_bar_the_rule_slippage_and_fee(place):
    costs = "{taker_bps: 5, maker_bps: 2, slippage: {type: fixed, bps: 10}}"
    run = made(strategy(stop="{type: percent, value: 3}", costs=costs), bars(ONE_EACH))
    entry, stop = table("orders").rows(named=True)
    own = explain(run, order=entry["order_id"])["order"]["fills"][0]
    assert (own["bar"]["open_ts"], own["price_met"], own["price"]) == (at_min(1), pytest.approx(101), 101 * 1.001)
    assert own["slippage_bps"] == pytest.approx(10)
    assert own["fee_bps"] == pytest.approx(5)
    assert own["rule"] == "a market order decided at a close fills at the open of the next bar"
    own = explain(run, order=stop["order_id"])["order"]["fills"][0]
    assert own["price_met"] == pytest.approx(101 * 1.001 * 0.97)
    assert own["rule"] == "price touched the stop inside the bar, so it filled at the stop"
    assert "as a taker" in said(run, "--order", stop["order_id"])


@pytest.mark.parametrize(
    ("third", "rule"),
    [
        ("107 108 106 107", "the bar opened beyond the limit, so it filled at that open"),
        ("102 106 101 103", "price traded through the limit inside the bar, so it filled at the limit"),
    ],
)
def test_a_target_names_the_rule_of_its_limit(place, third, rule):
    run = made(strategy(target="{type: percent, value: 3}", capital=1e9), bars(f"100 S1\n101\n{third}\n103"))
    order = table("orders").filter(pl.col("role") == "take_profit")["order_id"][0]
    assert explain(run, order=order)["order"]["fills"][0]["rule"] == rule


def test_an_order_that_expired_says_how_near_price_came(place):
    order = "{type: limit, price: 95, ttl_s: 180}"
    run = made(strategy(order=order), bars("100 S1\n100\n100 101 96 100\n100\n100 100 90 100\n100"))
    own = explain(run, order=table("orders")["order_id"][0])["order"]
    assert (own["state"], own["why"]) == ("EXPIRED", "its time to live expired before it filled")
    assert (own["nearest_price"]["price"], own["nearest_price"]["away"]) == (96, 1)
    assert "Price came closest at 96 at 2024-01-01 00:02; the order's is 95, 1 away" in said(
        run, "--order", own["order_id"]
    )


def test_an_order_that_was_canceled_says_by_what(place):
    run = made(strategy(order="{type: limit, price: 95}"), bars("100 S1\n100\n100 O1\n100\n100"))
    own = explain(run, order=table("orders")["order_id"][0])["order"]
    assert (own["state"], own["why"]) == ("CANCELED", "O1 was TRUE: the signal was cancelled, and its entry with it")


# One time


def test_the_state_of_everything_at_a_time(place):
    text = strategy(ze1="all: [{vol: '== 1008'}], cooldown_min: 3", stop="{type: percent, value: 50}")
    run = made(text, bars("100 S1\n101\n102\n103 ZE1\n104\n104\n104\n104\n104"))
    own = explain(run, at="2024-01-01T00:03:00")["at"]
    (instance,) = own["instances"]
    assert instance["state"] == "POSITION_ACTIVE"
    assert (instance["position"]["entry_price"], instance["values"]["px"]) == (101, 102)
    assert [order["role"] for order in own["open_orders"]] == ["stop_loss"]
    heard = {part["section"]: part["is_listened_to"] for part in instance["sections"]}
    assert heard == {"S1": False, "O1": False, "ZE1": True, "E1": True}
    (instance,) = explain(run, at="2024-01-01T00:05:00")["at"]["instances"]
    assert (instance["state"], instance["cooldown_left_s"]) == ("EXITED", 120)
    assert "cooldown 2m left" in said(run, "--at", "2024-01-01T00:05:00")
    assert "POSITION_ACTIVE" in said(run, "--at", "2024-01-01T00:03:00")


# Files and refusals


def test_the_file_has_the_form_of_the_guide_and_the_same_bytes_each_time(place):
    run = made(strategy(variants=MAGNITUDE, s1=PUMP), flat_bars(CLOSES))
    texts = []
    for name in ("one.json", "two.json"):
        assert name in said(run, "--json", name, "--at", "2024-01-01T00:03:00")
        texts.append(Path(name).read_bytes())
    assert texts[0] == texts[1]
    facts = json.loads(texts[0])
    guide = (Path(__file__).resolve().parents[3] / "docs" / "why.md").read_text(encoding="utf-8")
    keys = {
        *facts, *facts["run"], *facts["why"], *facts["why_not"][0], *facts["why_not"][0]["conditions"][0],
        *facts["why_not"][0]["conditions"][0]["moved"][0], *facts["suppressed"][0], *facts["at"],
        *facts["at"]["instances"][0],
    }  # fmt: skip
    assert sorted(key for key in keys if not re.search(rf"\b{key}\b", guide)) == []


def test_a_run_is_made_again_with_all_its_options(place):
    Path("account.yaml").write_text("max_position_pct: 50\nmax_leverage: 7\n")
    one = strategy(name="one", variants=MAGNITUDE, account="{}", costs="{slippage: {type: random, bps: 9}}")
    two = strategy(name="two", direction="SHORT", account="{}", costs="{slippage: {type: random, bps: 9}}")
    table_text = "\n".join(f"{100 + k % 7} {'S1' if k % 5 == 0 else 'ZE1'}" for k in range(60))
    run = made([two, one], {A: bars(table_text), B: bars(table_text)}, "--instrument", B, "--from", "2024-01-01T00:03",
               "--to", "2024-01-01T00:50", "--account", "account.yaml", "--seed", "5",
               "--set", "capital=5000", "--set", "account.max_positions=2")  # fmt: skip
    facts = explain(run)
    assert facts["run"]["state_hash"] == json.loads(Path("run/result.json").read_text())["state_hash"]
    assert [own["strategy"] for own in facts["suppressed"]] == ["two", "one"]
    shutil.move("data", "elsewhere")
    assert explain(run, data="elsewhere") == facts


def refused(*arguments):
    done = tightloop("explain", *arguments)
    assert done.exit_code == 2, done.output
    assert done.output.startswith("error: ")
    return done.output


def test_what_can_not_be_explained_is_refused_with_a_remedy(place):
    run = made(strategy(variants=MAGNITUDE, s1=PUMP.replace("7", "6")), flat_bars(CLOSES))
    assert "name a folder that `tightloop backtest` wrote" in refused("nowhere")
    assert "result.json: is not in the folder" in refused(".")
    assert "the run has no signal 'sig_0'; take one of signals.parquet, for example sig_" in refused(
        run, "--signal", "sig_0"
    )
    assert "the run has no order '1-1'; take one of orders.parquet, for example " in refused(run, "--order", "1-1")
    assert "the run went from 2024-01-01T00:00:00Z to 2024-01-01T00:10:00Z" in refused(run, "--at", "2025-01-01")
    assert "'x' is not a time" in refused(run, "--at", "x")
    text = Path("run/strategy.yaml").read_text()
    Path("run/strategy.yaml").write_text(text.replace(">= 6", ">= 5"))
    assert "is not the one that ran; put the file back" in refused(run)
    Path("run/strategy.yaml").write_text(text)
    result = json.loads(Path("run/result.json").read_text())
    Path("run/result.json").write_text(json.dumps(result | {"state_hash": "0" * 16}))
    assert "not 0000000000000000" in refused(run)
    Path("run/result.json").write_text(json.dumps({k: v for k, v in result.items() if k != "inputs"}))
    assert "run the backtest again" in refused(run)
    Path("run/result.json").write_text(json.dumps(result))
    write_data({A: flat_bars((*CLOSES[:-1], 101))})
    assert "are not those of the run" in refused(run)
    shutil.rmtree("data")
    assert "say with --data where it is" in refused(run)


# The report


def test_the_report_says_what_kept_each_section_from_being_true(place):
    write_data({A: flat_bars(CLOSES)})
    Path("s.yaml").write_text(strategy(variants=MAGNITUDE, s1=PUMP, ze1="", e1="", o1=""))
    assert tightloop("backtest", "s.yaml", "--out", "run", "--accept", ACCEPT).exit_code == 0
    cells = '<td class="keep">S1</td><td class="n wideonly">10</td><td class="n">0</td>'
    blocked = '<td class="wrap">magnitude &gt;= 7</td><td class="n">10</td><td class="n">6.1</td><td class="n">0.9</td>'
    page = re.sub(r' data-title="[^"]*"', "", Path("run/report.html").read_text(encoding="utf-8"))
    assert f"{cells}{blocked}" in page
    result = json.loads(Path("run/result.json").read_text())
    Path("run/result.json").write_text(json.dumps(result | {"state_hash": "0" * 16}))
    assert tightloop("report", "run").exit_code == 0
    assert "Not counted for this run" in Path("run/report.html").read_text(encoding="utf-8")


def test_the_last_column_of_a_table_gives_way_and_no_name_is_broken():
    console = Console(width=60, file=io.StringIO())
    table = grid(False, True, False, cuts_last=True)
    table.add_row("  lab:PUMPDUSDT-perp", "13,509", "any of (exh >= 70; supp <= 2; pnl >= 12; spread > 3)")
    console.print(cut_last(table, console.width))
    (line,) = console.file.getvalue().splitlines()
    assert line.startswith("  lab:PUMPDUSDT-perp 13,509 any of (exh >= 70;")
    assert line.rstrip().endswith("…")
    assert len(line) <= 60
