"""Entries of one small run of every family, as JSON: what is entered when new risk is forbidden, cause by cause.

For each cause, a field of State that is set before the run, twice: as it is, and with the function that answers for
that cause replaced. To be run without the compiler (``NUMBA_DISABLE_JIT=1``), so that a function can be replaced.
"""

import json

import numpy as np
import polars as pl
from tests.core import driven
from tests.parity import runs

import tightloop
from carry import synthetic
from sim import tick_market
from tightloop.core import state as core_state
from tightloop.core.domain.enums import EventKind, OrderKind, RowKind
from tightloop.core.trading import account, exposure
from tightloop.model.carry import plan as carry_plan
from tightloop.model.signal import plan as signal_plan

NAME = runs.NAMES[0]
ANSWERS = {
    "not_ready": (account, "_is_not_ready"),
    "paused": (account, "_is_paused"),
    "killed": (account, "is_killed"),
    "ruined": (exposure, "is_ruined"),
    "drawdown_stopped": (account, "_is_drawn_down"),
}
HOLD = f"""
name: hold it
family: hold
direction: LONG
instruments: ["{NAME}"]
timeframe: 1m
capital: 10_000
params: {{equity_pct: 5}}
"""


def market():
    bars = runs.random_bars(5, 150, hole_share=0.0)
    columns = {name: bars[name] for name in ("open", "high", "low", "close", "volume")}
    return {NAME: pl.DataFrame({"ts": bars["open_ns"], **columns})}


def on_bars(strategy, **options):
    run = tightloop.backtest(strategy, data=market(), **options)
    return run.trades.height


def on_ticks():
    quotes = [(1.0, 99.0, 101.0), (2.0, 99.0, 101.0, "S1"), (3.0, 99.0, 101.0), (6.0, 99.0, 101.0)]
    prints = [(1.5, 101.0, 1.0), (4.0, 101.0, 50.0)]
    run = tick_market.run(tick_market.strategy(), (quotes, prints))
    return run.trades.height


def external():
    one = driven.Driven(HOLD)
    one.quiet_bars(3)
    fields = {"instrument": 0, "instance": 0, "side": 1, "order_kind": int(OrderKind.MARKET), "qty": 1.0}
    never = dict.fromkeys(("stop_loss", "take_profit"), np.nan)
    rows = one.send(EventKind.ORDER_REQUESTED, leverage=1.0, **fields, **never)
    return len(driven.of_kind(rows, RowKind.SUBMIT))


def on_carry():
    own = synthetic.strategy([synthetic.spot("BTC"), synthetic.short("BTC", margin=0.48)])
    return len(synthetic.done(own, synthetic.feed(synthetic.flat(4))).bundles())


def entries():
    """Trades of each family; orders sent of ``external``, bundles that ended of ``carry``."""
    python = "strategies/python_ema_cross.yaml"
    faster = ["variants.fast.period=3", "variants.slow.period=9"]
    return {
        "signal": on_bars(runs.strategy("ema_cross")),
        "hold": on_bars(HOLD),
        "python": on_bars(python, instruments=[NAME], settings=faster),
        "ticks": on_ticks(),
        "external": external(),
        "carry": on_carry(),
    }


def main():
    found = {}
    for cause, (module, name) in ANSWERS.items():

        def stopped(field=cause):
            states = core_state.new_state()
            states[field] = 1
            return states

        signal_plan.new_state = carry_plan.new_state = stopped
        asked = entries()
        answer = getattr(module, name)
        setattr(module, name, lambda *_: False)
        found[cause] = [asked, entries()]
        setattr(module, name, answer)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
