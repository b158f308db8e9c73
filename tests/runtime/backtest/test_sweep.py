"""A sweep gives the figures that single runs give, and keeps what is done when it is stopped."""

import itertools
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity import runs

from examples import examples
from tightloop.app.runs import sweep as runs_sweep
from tightloop.runtime.backtest import sweep as sweeping

TEXTS = {
    "stops": runs.strategy("stops", z1={"stop_loss": runs.STOPS["percent"], "take_profit": runs.TARGETS["percent"]}),
    "levered": runs.KINDS["leveraged"],
    "shared": runs.KINDS["participation_limit"],
}
PARAMETERS = {
    "variants.fast.period": st.integers(2, 8),
    "variants.slow.period": st.integers(9, 30),
    "sections.Z1.leverage": st.sampled_from([1, 5, 20]),
    "sections.Z1.size.value": st.integers(100, 4_000),
    "costs.taker_bps": st.sampled_from([0, 3, 8]),
}


def setting_of(name, settings_written, seed, count):
    base = runs.Setting.random(TEXTS[name], seed=seed, count=count)
    read = runs.read(TEXTS[name], settings=settings_written)
    return runs.Setting(read, base.bars, base.funding, rules=base.rules)


@settings(max_examples=examples(40), deadline=None)
@given(
    st.sampled_from(sorted(TEXTS)),
    st.fixed_dictionaries(PARAMETERS),
    st.integers(0, 500),
    st.sampled_from([40, 300, 4_000]),
)
def test_figures_of_a_sweep_are_those_of_a_full_run_to_the_last_bit(name, values, seed, count):
    setting = setting_of(name, [f"{path}={value}" for path, value in values.items()], seed, count)
    plan = setting.plan()
    figures = sweeping.run_figures(plan, setting.market().feed(plan))
    assert figures == setting.run().run.metrics


def rows_of(parameters, setting, text, **options):
    sets = sweeping.combinations(parameters)
    feed = setting.market().feed(setting.plan())

    def plan_of(values):
        read = runs.read(text, settings=[f"{path}={value}" for path, value in values.items()])
        return runs.Setting(read, setting.bars, rules=setting.rules).plan()

    return sweeping.sweep(sets, plan_of, feed, **options), len(sets)


def test_every_set_is_run_once_whatever_the_number_of_threads():
    setting = runs.Setting.random(TEXTS["stops"], seed=5, count=300)
    parameters = {"variants.fast.period": [2, 3, 4], "variants.slow.period": [9, 14], "costs.taker_bps": [0, 5]}
    found = {}
    for threads in (1, 2, 5):
        rows, total = rows_of(parameters, setting, TEXTS["stops"], threads=threads)
        found[threads] = {row.number: row.in_sample for row in rows}
        assert sorted(found[threads]) == list(range(total))
    assert found[1] == found[2] == found[5]


def test_combinations_move_the_last_parameter_fastest():
    assert sweeping.combinations({"a": [1, 2], "b": [3, 4]}) == [
        {"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 4},
    ]  # fmt: skip


def test_a_sweep_that_is_left_early_keeps_the_rows_it_gave_and_ends():
    setting = runs.Setting.random(TEXTS["stops"], seed=5, count=300)
    parameters = {"variants.fast.period": [2, 3, 4, 5], "variants.slow.period": [9, 14, 20]}
    rows, _ = rows_of(parameters, setting, TEXTS["stops"], threads=2)
    kept = list(itertools.islice(rows, 3))
    rows.close()
    whole, _ = rows_of(parameters, setting, TEXTS["stops"], threads=2)
    by_number = {row.number: row.in_sample for row in whole}
    assert len(kept) == 3
    assert all(row.in_sample == by_number[row.number] for row in kept)


def test_an_interrupted_sweep_returns_what_is_done(tmp_path):
    from tightloop.adapters.data.sample import write_sample

    write_sample(tmp_path / "sample", seed=1, days=1)
    text = runs.strategy("stops", instruments=["sample:BTCUSDT-perp"])
    seen = []

    def stop_after_three(row, total):
        seen.append(row.number)
        if len(seen) == 3:
            raise KeyboardInterrupt

    done = runs_sweep.sweep(
        text, parameters={"variants.fast.period": [2, 3, 4, 5, 6], "variants.slow.period": [9, 12]},
        data=tmp_path / "sample",
        threads=2, on_row=stop_after_three,
    )  # fmt: skip
    assert done.interrupted
    assert done.total == 10
    assert 3 <= len(done.rows) < 10
    assert 0 <= done.lost <= 4, "two threads have four sets in hand"
    assert len(done.rows) + done.lost <= 10
    assert set(seen) <= {row.number for row in done.rows}
    assert done.frame.height == len(done.rows)


def test_sets_that_were_begun_and_not_given_out_are_counted():
    parameters = {"variants.fast.period": [2, 3, 4, 5, 6, 7]}
    setting = runs.Setting.random(TEXTS["stops"], seed=5, count=60)
    begun, lost = threading.Event(), []

    def plan_of(values):
        if values["variants.fast.period"] == 3:
            begun.set()
        return setting.plan()

    def rows():
        feed = setting.market().feed(setting.plan())
        return sweeping.sweep(sweeping.combinations(parameters), plan_of, feed, threads=1, on_lost=lost.append)

    stopped = rows()
    next(stopped)
    assert begun.wait(60)
    stopped.close()
    assert lost == [1]
    assert len(list(rows())) == 6
    assert lost == [1], "a sweep that comes to its end loses nothing"


def test_a_set_that_fails_is_named_by_its_own_error():
    setting = runs.Setting.random(TEXTS["stops"], seed=5, count=60)
    rows, _ = rows_of({"variants.fast.period": [2, 0]}, setting, TEXTS["stops"], threads=1)
    with pytest.raises(Exception, match="period"):
        list(rows)
