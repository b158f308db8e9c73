"""Nothing that happens after a moment changes what happened before it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity import runs

from examples import examples

EVERY_KIND = {name: (text,) for name, text in runs.KINDS.items()} | runs.TOGETHER


def with_another_future(setting, cut_ns, seed):
    """The same market until ``cut_ns``; bars that begin there or later, and funding from then on, are others."""
    bars, funding = {}, {}
    for k, (instrument, rows) in enumerate(setting.bars.items()):
        kept = rows[rows["open_ns"] < cut_ns]
        begin = max(cut_ns, int(kept["close_ns"][-1]) if len(kept) else cut_ns)
        price = float(rows["close"][0]) * np.random.default_rng(seed).uniform(0.3, 3.0)
        other = runs.random_bars(seed + k, 200, price=price, move=0.03, start_ns=begin, hole_share=0.1)
        bars[instrument] = np.concatenate([kept, other])
    for k, (instrument, (ts_ns, rate)) in enumerate(setting.funding.items()):
        later_ns, later = runs.random_funding(seed + k, bars[instrument])
        old, new = ts_ns < cut_ns, later_ns >= cut_ns
        funding[instrument] = np.concatenate([ts_ns[old], later_ns[new]]), np.concatenate([rate[old], later[new] * 40])
    return runs.Setting(setting.strategies, bars, funding, rules=setting.rules, seed=setting.seed)


def before(run, cut_ns):
    """What a run has written about the time before ``cut_ns``; decisions at closes are made without the next open."""
    tables = {name: runs.rows_of(table) for name, table in run.run.result.tables.items()}
    unnamed = {"session_id", "signal_id"}  # made of a digest of all the data
    final = {"state", "reason", "qty", "stop_price", "filled_qty", "avg_price", "updated_ts"}

    def chosen(name, column, limit, without=frozenset()):
        return [
            {key: repr(value) for key, value in row.items() if key not in unnamed | without}
            for row in tables[name]
            if row[column] is not None and row[column] < limit
        ]

    return {
        "trades": chosen("trades", "exit_ts", cut_ns),
        "fills": chosen("fills", "ts", cut_ns),
        "orders ended": [row for row in chosen("orders", "updated_ts", cut_ns) if row["state"] in _ENDED],
        "orders made": chosen("orders", "submitted_ts", cut_ns, final),
        "equity": chosen("equity", "ts", cut_ns),
        "signals": chosen("signals", "ts", cut_ns + 1),
        "transitions": chosen("transitions", "ts", cut_ns),
    }


_ENDED = {repr(state) for state in ("DENIED", "FILLED", "CANCELED", "REJECTED", "EXPIRED")}


def is_blind_to_the_future(setting, share, seed):
    longest = max(setting.bars.values(), key=len)
    cut_ns = int(longest["open_ns"][int(share * (len(longest) - 1))])
    one, other = before(setting.run(), cut_ns), before(with_another_future(setting, cut_ns, seed).run(), cut_ns)
    for name, rows in one.items():
        assert rows == other[name], f"{name} before the cut differ"
    return one


@pytest.mark.parametrize("name", EVERY_KIND)
def test_what_was_done_before_a_cut_does_not_depend_on_what_comes_after_it(name):
    setting = runs.Setting.random(*EVERY_KIND[name], seed=12, count=400)
    seen = [is_blind_to_the_future(setting, share, 99 + k) for k, share in enumerate((0.35, 0.8))]
    assert seen[-1]["fills"], "a test of a strategy that does nothing shows nothing"


@settings(max_examples=examples(40), deadline=None)
@given(st.sampled_from(sorted(EVERY_KIND)), st.integers(0, 10_000), st.floats(0.02, 0.98), st.integers(0, 10_000))
def test_no_market_and_no_cut_lets_the_future_in(name, seed, share, other):
    is_blind_to_the_future(runs.Setting.random(*EVERY_KIND[name], seed=seed, count=200, move=0.01), share, other)


def test_a_look_ahead_would_be_seen():
    """The comparison itself can fail: fills that know a later close are found."""
    setting = runs.Setting.random(runs.KINDS["stop_percent"], seed=12, count=400)
    cut_ns = int(next(iter(setting.bars.values()))["open_ns"][200])
    late = int(next(iter(setting.bars.values()))["open_ns"][220])
    one = before(setting.run(), late)
    other = before(with_another_future(setting, cut_ns, 1).run(), late)
    assert one["equity"] != other["equity"]
    assert one["fills"] != other["fills"]
