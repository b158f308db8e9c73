"""Markets, strategies of every kind, and both drivers over them: what the tests of the core run on."""

import json
from collections import ChainMap
from dataclasses import replace

import numpy as np

from tightloop.adapters.stores import parquet
from tightloop.app.markets import bars as markets_bars
from tightloop.app.runs.signal import SignalRun
from tightloop.core import log as core_log
from tightloop.core.domain.types import BAR, EQUITY, EVENT
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import status as replay_status
from tightloop.core.state import state_hash
from tightloop.model.instruments import InstrumentId, MarginTier, default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan, rules_of
from tightloop.runtime.backtest import bars as bars_backtest
from tightloop.runtime.backtest.one_by_one import bars as bars_one_by_one
from tightloop.runtime.results import build as results_build
from tightloop.runtime.results.recorder import Recorder

MINUTE_NS = 60_000_000_000
START_NS = 1_704_063_600_000_000_000  # 2023-12-31 23:00, so that every run crosses a day
NAMES = ("test:AAAUSDT-perp", "test:BBBUSDT-perp", "test:CCCUSDT-perp")


def random_bars(seed, count, *, price=100.0, move=0.004, step_ns=MINUTE_NS, start_ns=START_NS, hole_share=0.01):
    """Bars on a grid with holes, jumps between close and open, wicks, and minutes without volume."""
    rng = np.random.default_rng(seed)
    bars = np.zeros(count, BAR)
    close = price * np.exp(np.cumsum(rng.normal(0.0, move, count)))
    opens = np.concatenate([[price], close[:-1]]) * np.exp(rng.normal(0.0, move / 8, count))
    high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0.0, move / 2, count)))
    low = np.minimum(opens, close) * np.exp(-np.abs(rng.normal(0.0, move / 2, count)))
    steps = 1 + (rng.random(count) < hole_share) * rng.integers(1, 20, count)
    at = np.cumsum(steps) - steps[0]
    bars["open"], bars["high"], bars["low"], bars["close"] = opens, high, low, close
    bars["volume"] = rng.exponential(40.0, count) * (rng.random(count) > 0.05)
    bars["open_ns"] = start_ns + at * step_ns
    bars["close_ns"] = bars["open_ns"] + step_ns
    return bars


def random_funding(seed, bars, every_ns=60 * MINUTE_NS):
    """Funding on a grid over the time of the bars, in holes of the bars too."""
    rng = np.random.default_rng(seed)
    first, last = int(bars["open_ns"][0]), int(bars["close_ns"][-1])
    ts_ns = np.arange(-(-first // every_ns) * every_ns, last + 1, every_ns, dtype=np.int64)
    return ts_ns, rng.normal(0.0, 0.0005, len(ts_ns))


VARIANTS = {
    "fast": {"type": "EMA", "period": 3},
    "slow": {"type": "EMA", "period": 9},
    "hour": {"type": "SMA", "period": 3, "timeframe": "5m"},
    "band": {"type": "DONCHIAN", "period": 8, "output": "lower"},
    "roof": {"type": "DONCHIAN", "period": 8, "output": "upper"},
    "atr": {"type": "ATR", "period": 5},
    "rsi": {"type": "RSI", "period": 5},
    "close": {"type": "PRICE", "output": "close"},
}
FREE_ACCOUNT = {
    "max_position_pct": 1_000,
    "max_positions": 10,
    "max_symbol_pct": 1_000,
    "daily_loss_pct": 60,
    "max_drawdown_pct": 80,
    "max_margin_pct": 500,
    "max_leverage": 50,
}


def strategy(
    name="plain", *, direction="LONG", instruments=NAMES[:1], s1=None, o1=None, z1=None, ze1=None, e1=None, **keys
):
    """The text of a strategy file (JSON is YAML) that trades often; ``z1`` and the others write over the plain ones."""
    up, down = (
        ("crosses_above slow", "crosses_below slow")
        if direction == "LONG"
        else ("crosses_below slow", "crosses_above slow")
    )
    entry = {"immediate": True, "order": {"type": "market"}, "size": {"type": "fixed", "value": 2_000}, "leverage": 2}
    entry |= z1 or {}
    if any(key in entry for key in ("all", "any", "hold", "seq", "not")):
        entry.pop("immediate", None)
    sections = {"S1": s1 or {"all": [{"fast": up}]}, "Z1": entry, "ZE1": ze1 or {"all": [{"fast": down}]}}
    sections |= {"O1": o1} if o1 else {}
    sections |= {"E1": e1} if e1 else {}
    whole = {
        "name": name,
        "family": "signal",
        "direction": direction,
        "instruments": list(instruments),
        "timeframe": "1m",
        "capital": 10_000,
        "variants": VARIANTS,
        "sections": sections,
        "account": FREE_ACCOUNT,
    }
    return json.dumps(whole | keys, indent=1)


def _orders():
    kinds = {
        "limit": {"type": "limit", "offset_bps": -8, "ttl_s": 300},
        "limit_post_only": {"type": "limit", "price": "slow", "post_only": True, "ttl_s": 600},
        "limit_ioc": {"type": "limit", "offset_bps": 5, "tif": "IOC"},
        "limit_fok": {"type": "limit", "offset_bps": 5, "tif": "FOK"},
        "limit_number": {"type": "limit", "price": 101.0, "tif": "GTT", "ttl_s": 1200},
        "stop": {"type": "stop", "offset_bps": 10, "ttl_s": 600},
        "stop_limit": {"type": "stop_limit", "offset_bps": 10, "limit_offset_bps": 3, "ttl_s": 900},
    }
    return {f"order_{name}": strategy(f"order_{name}", z1={"order": order}) for name, order in kinds.items()}


STOPS = {
    "percent": {"type": "percent", "value": 0.6},
    "of_signal": {"type": "percent", "value": 0.6, "of": "signal"},
    "absolute": {"type": "absolute", "price": 96.0},
    "indicator": {"type": "indicator", "variant": "band", "offset_pct": 0.1},
    "atr": {"type": "atr", "variant": "atr", "multiple": 1.2},
    "trailing": {"type": "trailing", "arm_pct": 0.2, "trail_pct": 0.5},
    "trailing_variant": {"type": "trailing", "variant": "atr", "multiple": 1.5},
    "peak": {"type": "peak", "buffer_pct": 0.3},
}
TARGETS = {
    "percent": {"type": "percent", "value": 0.7},
    "of_signal": {"type": "percent", "value": 0.7, "of": "signal"},
    "absolute": {"type": "absolute", "price": 104.0},
    "indicator": {"type": "indicator", "variant": "roof", "offset_pct": 0.1},
    "atr": {"type": "atr", "variant": "atr", "multiple": 1.0},
    "ladder": {"type": "ladder", "of": "percent", "steps": [[0.2, 40], [0.5, 30], [0.9, 30]]},
    "long_ladder": {"type": "ladder", "of": "percent", "steps": [[0.1 * k, 12.5] for k in range(1, 9)]},
    "retracement": {"type": "ladder", "of": "pump_retracement", "base": "band", "steps": [[30, 50], [60, 50]]},
}
SIZES = {
    "units": {"type": "units", "value": 7.5},
    "percentage": {"type": "percentage", "value": 30},
    "risk": {"type": "risk", "value": 0.5, "clamp": [100, 9_000]},
    "scale": {"type": "fixed", "value": 2_000, "scale": {"variant": "rsi", "points": [[20, 1.2], [80, 0.4]]}},
}
SLIPPAGES = {
    "fixed": {"type": "fixed", "bps": 3},
    "impact": {"type": "impact", "half_spread_bps": 1, "coefficient": 8},
    "random": {"type": "random", "bps": 5},
}


def _protections():
    """Each stop with one of the targets, long and short; what is above a long entry is below a short one."""
    found = {}
    for place, (name, stop) in enumerate(STOPS.items()):
        target = list(TARGETS.values())[place % len(TARGETS)]
        own = target | ({"base": "roof"} if "base" in target else {})
        found[f"stop_{name}"] = strategy(f"stop_{name}", z1={"stop_loss": stop, "take_profit": own})
        if "absolute" in (stop["type"], target["type"]):
            continue
        found[f"short_{name}"] = strategy(
            f"short_{name}",
            direction="SHORT",
            z1={
                "stop_loss": stop | ({"variant": "roof"} if name == "indicator" else {}),
                "take_profit": target | ({"variant": "band"} if target["type"] == "indicator" else {}),
            },
        )
    return found


def _costs_and_sizes():
    found = {}
    stop = {"type": "percent", "value": 1.0}
    for name, size in SIZES.items():
        found[f"size_{name}"] = strategy(f"size_{name}", z1={"size": size, "stop_loss": stop})
    for name, slippage in SLIPPAGES.items():
        costs = {"taker_bps": 4, "maker_bps": 1, "slippage": slippage}
        found[f"slippage_{name}"] = strategy(f"slippage_{name}", z1={"stop_loss": stop}, costs=costs)
    for name, order in (("market", {"type": "market"}), ("limit", {"type": "limit", "offset_bps": -4, "ttl_s": 300})):
        found[f"participation_{name}"] = strategy(
            f"participation_{name}",
            costs={"participation": 0.05, "taker_bps": 4, "maker_bps": -1},
            z1={
                "order": order,
                "size": {"type": "fixed", "value": 3_000},
                "stop_loss": STOPS["percent"],
                "take_profit": TARGETS["ladder"],
            },
        )
    return found


def _machines():
    two = NAMES[:2]
    held = {"hold": [{"all": [{"rsi": "> 45"}]}, 120]}
    return {
        "o1_and_z1": strategy(
            "o1_and_z1",
            s1={"any": [{"rsi": "> 60"}, {"fast": "crosses_above slow"}]},
            o1={"all": [{"rsi": "< 35"}], "timeout_s": 900, "cooldown_min": 3},
            z1={"all": [{"rsi": "between 40 and 75"}]},
            ze1={"all": [{"rsi": "> 80"}], "cooldown_min": 7},
            e1={"all": [{"rsi": "< 20"}], "cooldown_min": 11},
        ),
        "hold_and_seq": strategy(
            "hold_and_seq",
            s1={"seq": [[{"all": [{"rsi": "< 40"}]}, {"all": [{"rsi": "> 50"}]}], 1200]},
            z1=held,
            o1={"timeout_s": 1800},
            ze1={"not": {"all": [{"fast": "> slow"}]}},
        ),
        "higher_timeframe": strategy(
            "higher_timeframe", s1={"all": [{"close": "> hour"}, {"fast": "crosses_above slow"}]}
        ),
        "max_hold": strategy("max_hold", limits={"max_hold_min": 4, "max_daily_trades": 40, "loss_cooldown_min": 5}),
        "short_hold": strategy("short_hold", limits={"max_hold_min": 0.5}, z1={"stop_loss": STOPS["percent"]}),
        "tight_limits": strategy(
            "tight_limits",
            instruments=NAMES,
            limits={"max_concurrent_positions": 1, "max_losses_in_row": 2},
            account=FREE_ACCOUNT | {"daily_loss_pct": 0.5, "max_drawdown_pct": 1.5},
            confidence="rsi",
            z1={"size": {"type": "percentage", "value": 60}, "stop_loss": STOPS["percent"]},
        ),
        "several": strategy("several", instruments=NAMES, confidence="rsi", z1={"stop_loss": STOPS["atr"]}),
        "leveraged": strategy(
            "leveraged",
            instruments=two,
            ze1={"all": [{"rsi": "> 85"}]},
            z1={"leverage": 50, "size": {"type": "fixed", "value": 9_000}},
        ),
        "leveraged_short": strategy(
            "leveraged_short",
            direction="SHORT",
            instruments=two,
            ze1={"all": [{"rsi": "< 10"}]},
            z1={"leverage": 50, "size": {"type": "fixed", "value": 9_000}},
        ),
    }


KINDS = _orders() | _protections() | _costs_and_sizes() | _machines()
"""Strategy files by name: every order, stop, target, size and slippage kind, both directions, every section."""
TOGETHER = {
    "long_and_short": (
        strategy("longs", instruments=NAMES, z1={"stop_loss": STOPS["atr"], "take_profit": TARGETS["ladder"]}),
        strategy("shorts", direction="SHORT", instruments=NAMES, z1={"stop_loss": STOPS["trailing"], "leverage": 10}),
        strategy("limits", instruments=NAMES[1:], z1={"order": {"type": "limit", "offset_bps": -5, "ttl_s": 240}}),
    ),
}


def read(*texts, **options):
    return tuple(signal_read.loads(text, **options) for text in texts)


def rules_for(strategies):
    """Rules with increments, lots, tiers and a multiplier, different from instrument to instrument."""
    found = {}
    for place, instrument in enumerate(rules_of(strategies)):
        tiers = (MarginTier(5_000.0, 0.5, 100.0), MarginTier(20_000.0, 1.0, 75.0), MarginTier(float("inf"), 2.5, 50.0))
        found[instrument] = replace(
            default_rules(instrument),
            price_increment=(0.01, 0.0, 0.005)[place % 3],
            lot_size=(0.001, 0.1, 0.0)[place % 3],
            contract_size=(1.0, 0.1, 1.0)[place % 3],
            min_notional=5.0,
            margin_tiers=tiers if place % 2 == 0 else (),
        )
    return found


class Setting:
    """Strategies over a market: fresh plans and feeds of one run."""

    def __init__(self, strategies, bars, funding=None, *, rules=None, seed=7):
        self.strategies = strategies
        self.bars = dict(zip(rules_of(strategies), bars, strict=False)) if not isinstance(bars, dict) else bars
        self.funding = funding or {}
        self.rules = rules or rules_for(strategies)
        self.seed = seed

    @classmethod
    def random(cls, *texts, seed=1, count=700, move=0.004, with_funding=True, **options):
        strategies = read(*texts)
        wanted = rules_of(strategies)
        prices = dict(zip(map(InstrumentId.parse, NAMES), (100.0, 8.0, 0.5), strict=True))
        bars = {
            i: random_bars(seed + 100 * k, count - 30 * k, price=prices.get(i, 50.0), move=move)
            for k, i in enumerate(wanted)
        }
        funding = {i: random_funding(seed + 7 * k, bars[i]) for k, i in enumerate(wanted)} if with_funding else {}
        return cls(strategies, bars, funding, **options)

    def plan(self):
        return make_plan(self.strategies, self.rules, seed=self.seed)

    def market(self):
        return markets_bars.Market(self.bars, self.funding, self.rules, [], [])

    def run(self, *, one_by_one=False):
        """A finished run of one of the drivers: plan, recorder, bootstrap's Run."""
        plan, market, recorder = self.plan(), self.market(), Recorder()
        feed = market.feed(plan)
        (bars_one_by_one if one_by_one else bars_backtest).run(plan, feed, recorder)
        result = results_build.build(
            plan, recorder, data_digest=market.digest(feed), seed=self.seed, warnings=[], quality=[]
        )
        return Finished(plan, recorder, SignalRun(result=result, strategies=self.strategies, market=market, timing={}))


class Finished:
    def __init__(self, plan, recorder, run):
        self.plan, self.recorder, self.run = plan, recorder, run

    @property
    def state_hash(self):
        return state_hash(self.plan.states, self.plan.arena)

    def files(self, folder):
        """Every result file but the report, as bytes by name."""
        self.run.write(folder, report=False)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def hashes_of_loop(setting):
    """The rolling hash after every step of the driver that runs one event at a time, by the number of the step."""
    seen = {}

    def observe(plan):
        seen[int(plan.states[0]["seq"])] = int(plan.states[0]["hash"])

    plan = setting.plan()
    bars_one_by_one.run(plan, setting.market().feed(plan), Recorder(), observe)
    return seen, plan


def hashes_of_replay(setting):
    """The rolling hash after every market event of the compiled replay, by the number of the step."""
    plan = setting.plan()
    feed = setting.market().feed(plan)
    log, equity, events = core_log.new_log(max(2 * plan.rows_per_step, 8_192)), np.zeros(8, EQUITY), np.zeros(1, EVENT)
    control = np.zeros(replay_bars.CONTROL_COUNT, np.int64)
    control[replay_status.RESERVE] = plan.rows_per_step
    seen = {}
    while True:
        control[replay_status.EQUITY_COUNT], control[replay_status.LEFT] = 0, 1
        status = replay_bars.replay(
            plan.states,
            plan.arena,
            plan.venues,
            feed.streams,
            feed.heap,
            feed.bars,
            feed.rates,
            events,
            log,
            equity,
            plan.table,
            control,
        )
        if status == replay_status.FINISHED:
            return seen, plan
        if status == replay_status.LOG_FULL:
            core_log.empty(log)
            continue
        seen[int(plan.states[0]["seq"])] = int(plan.states[0]["hash"])


def rows_of(table):
    """A table of results as a list of rows."""
    return parquet.arrow(table).to_pylist()


def over(base, **changes):
    """A copy of a mapping with some keys written over."""
    return dict(ChainMap(changes, base))
