"""Rules of instruments that changed at the venue."""

import math
from dataclasses import replace

from tightloop.core.domain.enums import TradingStatus
from tightloop.ports.market_data import ListedInstrument
from tightloop.runtime.session.reconcile.rules import changed_rules

BTC = ListedInstrument(
    "BTCUSDT", "TRADING", True, "BTC", "USDT", 0.1, 0.001, 1.0, 1_000.0, 100.0, 5.0, math.nan, math.nan
)
ETH = replace(BTC, symbol="ETHUSDT")


def test_the_same_rules_are_no_change_though_some_are_unknown() -> None:
    assert changed_rules((BTC, ETH), (replace(ETH, price_band_up=float("nan")), BTC)) == ()


def test_increments_and_sizes_that_changed_are_named() -> None:
    (found,) = changed_rules((BTC, ETH), (BTC, replace(ETH, price_increment=0.01, min_notional=20.0)))
    assert (found.instrument, found.changed, found.status) == (
        1, ("price_increment", "min_notional"), TradingStatus.TRADING,
    )  # fmt: skip


def test_a_halted_and_a_missing_instrument_are_found() -> None:
    halted, missing = changed_rules((BTC, ETH), (replace(BTC, is_trading=False, status="HALT"),))
    assert (halted.status, missing.status) == (TradingStatus.HALTED, TradingStatus.DELISTED)
    assert missing.now is None


def test_one_that_leaves_is_delisted_though_it_is_listed_still() -> None:
    leaving = replace(BTC, is_trading=False, is_leaving=True, status="SETTLING")
    (found,) = changed_rules((BTC,), (leaving,))
    assert (found.status, found.changed) == (TradingStatus.DELISTED, ("status",))
    assert changed_rules((leaving,), (replace(leaving, status="CLOSE"),)) == ()
