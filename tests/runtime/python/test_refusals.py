"""What a strategy in Python is denied before anything is sent: numbers that are none, stops, money. The run goes on."""

import itertools
import math
import tempfile
from pathlib import Path

import pytest

from sim.market import NO_ACCOUNT_LIMITS, A, bars
from tightloop.app.runs import backtest as runs_backtest
from tightloop.model.errors import StrategyError

close_to = pytest.approx
COIN = A.replace("perp", "spot")
NAN, INF = math.nan, math.inf
CODE = """
import math
nan, inf = math.nan, math.inf
ASKED = []

class Own:
    def __init__(self):
        self.calls = 0

    def on_bar(self, view, bar):
        {script}
        self.calls += 1
"""


def asked(*calls, instrument=A, prices=(100,) * 8, rules="", more=""):
    """Run a strategy whose n-th call is at the n-th close; the run, in both drivers."""
    script = "\n        ".join(f"if self.calls == {k}: {call}" for k, call in enumerate(calls)) or "pass"
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder)
        (own / "own.py").write_text(CODE.replace("{script}", script), encoding="utf-8")
        (own / "own.yaml").write_text(
            f"name: own\nfamily: python\ninstruments: [{instrument}]\ntimeframe: 1m\ncapital: 10_000\n"
            "variants: {late: {type: SMA, period: 50}}\n"
            f"costs: {{taker_bps: 0, maker_bps: 0}}\naccount: {NO_ACCOUNT_LIMITS}\nclass: own.py:Own\n{more}",
            encoding="utf-8",
        )
        frame = bars("\n".join(str(price) for price in prices))
        stem = instrument.split(":")[1]
        path = own / "data" / "bars" / "test" / f"{stem}-1m.parquet"
        path.parent.mkdir(parents=True)
        frame.write_parquet(path)
        (own / "data" / "instruments.yaml").write_text(f'"{instrument}": {{{rules}}}\n', encoding="utf-8")
        options = {"data": own / "data", "accept": ("straight_line", "units")}
        done = runs_backtest.backtest(own / "own.yaml", **options)
        other = runs_backtest.backtest(own / "own.yaml", one_by_one=True, **options)
        assert done.summary == other.summary
        assert done.orders.equals(other.orders)
        return done


def reasons(done):
    """State and reason of every entry and exit, stops and targets apart."""
    own = done.orders.filter(~done.orders["role"].is_in(["stop_loss", "take_profit"]))
    return list(zip(own["state"].to_list(), own["reason"].to_list(), strict=True))


AT_200 = "view.buy(1, type='stop_limit', price=202, stop_price=200"
UNKNOWN = {
    "qty": "view.buy(%s)",
    "notional": "view.buy(notional=%s)",
    "price": "view.buy(1, type='limit', price=%s)",
    "price of a stop": "view.sell(1, type='stop', price=%s)",
    "limit of a stop_limit": "view.buy(1, type='stop_limit', price=%s, stop_price=101)",
    "stop_price": "view.buy(1, type='stop_limit', price=102, stop_price=%s)",
    "leverage": "view.buy(1, leverage=%s)",
    "stop_loss": "view.buy(1, stop_loss=%s)",
    "stop_loss_pct": "view.sell(1, stop_loss_pct=%s)",
    "take_profit": "view.buy(1, take_profit=%s)",
    "take_profit_pct": "view.sell(1, take_profit_pct=%s)",
}
DENIED = {
    "qty": ("size_unknown", "size_unknown", "size_unknown", "qty_rounds_to_zero"),
    "notional": ("size_unknown",) * 4,
    "price": ("price_unknown",) * 4,
    "price of a stop": ("price_unknown",) * 4,
    "limit of a stop_limit": ("price_unknown",) * 4,
    "stop_price": ("price_unknown",) * 4,
    "leverage": ("leverage_unknown",) * 4,
    "stop_loss": ("stop_unknown", "stop_unknown", "stop_at_zero", "stop_at_zero"),
    "stop_loss_pct": ("stop_unknown", "stop_unknown", "stop_beyond_entry", "stop_beyond_entry"),
    "take_profit": ("target_unknown", "target_unknown", "target_beyond_entry", "target_beyond_entry"),
    "take_profit_pct": ("target_unknown", "target_unknown", "target_beyond_entry", "target_beyond_entry"),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_a_number_that_is_none_denies_the_order_by_name(what):
    values = ("view.value('late')", "inf", "-5", "0")
    done = asked(*(UNKNOWN[what] % value for value in values))
    assert reasons(done) == [("DENIED", reason) for reason in DENIED[what]]
    assert done.summary["final_equity"] == 10_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("tif='FOK', ttl_s=60", "FOK does not wait"),
        ("tif='IOC', ttl_s=60", "IOC does not wait"),
        ("type='limit', price=99, tif='IOC', post_only=True", "IOC does not wait"),
        ("type='limit', price=99, tif='GTT'", "GTT needs a time"),
    ],
)
def test_a_time_in_force_that_contradicts_the_rest_is_an_error_and_no_other_order(options, said):
    with pytest.raises(StrategyError, match=said):
        asked(f"view.buy(1, {options})")


def test_what_is_no_number_is_a_fault_of_the_code():
    with pytest.raises(StrategyError, match="must be a number"):
        asked("view.buy('all')")


def test_an_exit_at_an_unknown_price_is_denied_and_one_that_is_known_is_not():
    done = asked("view.buy(2)", "None", "view.sell(1, type='limit', price=nan, reduce_only=True)",
                 "view.sell(nan, reduce_only=True)", "view.close()")  # fmt: skip
    assert reasons(done) == [
        ("FILLED", None), ("DENIED", "price_unknown"), ("DENIED", "size_unknown"), ("FILLED", None),
    ]  # fmt: skip


def test_a_protection_that_is_not_known_moves_nothing_and_says_so():
    done = asked(
        "view.buy(2, stop_loss=90)", "None", "assert view.protect(stop_loss=view.value('late')) is False",
        "assert view.protect(stop_loss_pct=0) is False", "assert view.protect(take_profit=120) is True",
    )  # fmt: skip
    own = {order["role"]: order for order in done.orders.rows(named=True)}
    assert (own["stop_loss"]["stop_price"], own["take_profit"]["price"]) == (90, 120)


@pytest.mark.parametrize(
    ("order", "rules", "reason"),
    [
        ("view.buy(1, stop_loss=99.9, leverage=10)", "price_increment: 1", None),  # rests at 99
        ("view.buy(1, stop_loss_pct=99.5)", "price_increment: 1", "stop_at_zero"),
        ("view.buy(1, stop_loss=100)", "", "stop_beyond_entry"),
        ("view.sell(1, stop_loss=99)", "", "stop_beyond_entry"),
        # 100 x 0.9 / 0.995 = 90.45226 and 100 x 1.1 / 1.005 = 109.45274
        ("view.buy(1, stop_loss=90.45, leverage=10)", "", "stop_beyond_liquidation"),
        ("view.buy(1, stop_loss=90.46, leverage=10)", "", None),
        ("view.buy(1, stop_loss=90.46, leverage=10)", "price_increment: 1", "stop_beyond_liquidation"),
        ("view.buy(1, stop_loss_pct=10, leverage=10)", "", "stop_beyond_liquidation"),
        ("view.sell(1, stop_loss=109.46, leverage=10)", "", "stop_beyond_liquidation"),
        ("view.sell(1, stop_loss=109.45, leverage=10)", "", None),
        ("view.sell(1, stop_loss_pct=9.6, leverage=10)", "", "stop_beyond_liquidation"),
        ("view.buy(1, type='limit', price=50, stop_loss=45.22, leverage=10)", "", "stop_beyond_liquidation"),
        ("view.buy(1, type='limit', price=50, stop_loss=45.23, leverage=10)", "", None),
        (f"{AT_200}, stop_loss=180.9, leverage=10)", "", "stop_beyond_liquidation"),
        (f"{AT_200}, stop_loss=181, leverage=10)", "", None),
    ],
)  # fmt: skip
def test_a_stop_that_comes_with_an_entry_is_judged_where_it_will_rest(order, rules, reason):
    done = asked(order, rules=rules)
    assert (reasons(done)[0][0] == "DENIED", reasons(done)[0][1]) == (reason is not None, reason)


def test_the_liquidation_price_is_that_of_the_whole_position():
    """1 at 100 with leverage 10 and 9 at 110 with leverage 1: average 109, margin 1,000, liquidated at 9.045."""
    done = asked("view.buy(1, leverage=10)", "view.buy(9, stop_loss=50)", prices=(100, 100, *(110,) * 5))
    assert [state for state, _ in reasons(done)] == ["FILLED", "FILLED"]
    # The other way round: 9 at 100 with leverage 10 and 1 at 100 with leverage 1: 1,000 - 190 over 9.95: 81.4.
    for stop, state in ((81.3, "DENIED"), (81.5, "FILLED")):
        done = asked("view.buy(9, leverage=10)", "None", f"view.buy(1, stop_loss={stop})")
        assert reasons(done)[1][0] == state


def test_the_part_of_a_flip_that_increases_is_asked():
    """100 held short of 10,000: a flip to 99 long needs 9,900 and is paid for by the margin that comes free."""
    for qty, state in ((200, "FILLED"), (199, "FILLED"), (201, "DENIED")):
        done = asked("view.sell(100)", "None", f"view.buy({qty})")
        assert reasons(done)[1] == (state, "insufficient_cash" if state == "DENIED" else None)
    assert reasons(asked("view.sell(100)", "None", "view.buy(100)")) == [("FILLED", None)] * 2


def test_spot_is_asked_for_cash_and_its_exits_are_not():
    calls = ("view.buy(100)", "None", "view.buy(0.01)", "view.sell(50)", "None", "view.buy(50)")
    done = asked(*calls, instrument=COIN, more="")
    assert reasons(done) == [
        ("FILLED", None), ("DENIED", "insufficient_cash"), ("FILLED", None), ("FILLED", None),
    ]  # fmt: skip
    done = asked("view.buy(notional=10_000)", instrument=COIN, prices=(100, 125, 125, 125))
    assert (done.orders["state"][0], done.orders["reason"][0]) == ("CANCELED", "insufficient_cash")
    assert done.orders["filled_qty"][0] == close_to(80)


def test_a_ruined_account_enters_no_more():
    prices = (100, 100, 300, 300, 300, 300)
    done = asked(
        "view.sell(100)", "None", "None", "view.buy(0.1)", "view.sell(1, type='limit', price=400)", prices=prices
    )
    assert reasons(done)[-2:] == [("DENIED", "ruined"), ("DENIED", "ruined")]
    assert any("ruined at" in warning for warning in done.summary["warnings"])


def test_whatever_numbers_are_asked_for_no_assertion_fails():
    """Every pair of odd numbers in every place that takes one; what is denied is denied by name."""
    odd = ("nan", "inf", "-inf", "-1.0", "0.0", "1e-320", "1e300", "5.0")
    forms = [form.replace("%s", "{0}").replace("view.buy(1", "view.buy({1}").replace("view.sell(1", "view.sell({1}")
             for form in UNKNOWN.values()]  # fmt: skip
    calls = [form.format(one, two) for form in forms for one, two in itertools.product(odd, ("1e300", "nan", "2.0"))]
    done = asked(*["; ".join(calls[k : k + 60]) for k in range(0, len(calls), 60)], prices=(100,) * 12)
    assert {reason for _, reason in reasons(done)} <= {
        None, "size_unknown", "price_unknown", "leverage_unknown", "stop_unknown", "stop_at_zero", "stop_beyond_entry",
        "stop_beyond_liquidation", "target_unknown", "target_beyond_entry", "qty_rounds_to_zero", "max_leverage",
        "insufficient_cash", "slots_full", "nothing_to_reduce",
    }  # fmt: skip
