"""Whatever is given: it is read, or refused by name. Nothing else happens."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.data import planted
from examples import examples
from tightloop.adapters.data._shared import judge_bars, judge_series, judge_ticks
from tightloop.adapters.data._shared.datasets import Dataset
from tightloop.adapters.data._shared.parquet import Source
from tightloop.adapters.data.importer import import_files, parse_target
from tightloop.core.domain.types import BAR
from tightloop.model.errors import InputError
from tightloop.model.files import yaml_lines
from tightloop.model.instruments import read_rules

YAML_PIECES = st.sampled_from([*"ab:[]{},1#|~\n\t\"'", ": ", "  ", "- ", "on", "&x ", "*x", "!t "])
CELLS = st.sampled_from(
    ["1", "2.5", "", "x", "1704067200", "2024-01-01", "nan", '"', "true", "-1", "é", "1e400", " 7 "]
)
NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=32), st.sampled_from([0.0, -1.0, 100.0, 100.5, 500.0])
)
quick = settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(job):
    """What a job returns, or the problems it was refused with, each with a remedy; anything else is an error."""
    try:
        return job(), ()
    except InputError as error:
        problems = error.problems
    assert all(problem.remedy for problem in problems)
    return None, problems


@given(st.one_of(st.text(max_size=60), st.lists(YAML_PIECES, max_size=25).map("".join)))
@quick
def test_any_text_is_data_with_lines_or_refused(text):
    read, problems = outcome(lambda: yaml_lines.load(text, "any.yaml"))
    assert all(problem.file == "any.yaml" for problem in problems)
    if read is not None:
        assert read[1](("no", "such", "path")) >= 1


@given(st.lists(YAML_PIECES, max_size=20).map("".join))
@quick
def test_any_text_after_an_instrument_is_rules_or_refused(tmp_path, text):
    file = tmp_path / "instruments.yaml"
    file.write_text(f"binance:BTCUSDT-perp: {text}", encoding="utf-8")
    outcome(lambda: read_rules(file))


@given(st.lists(st.lists(CELLS, min_size=1, max_size=8), max_size=6), st.booleans())
@quick
def test_any_rows_are_imported_or_refused(tmp_path, rows, headed):
    file = tmp_path / "any.csv"
    head = "ts,open,high,low,close,volume\n" if headed else ""
    file.write_text(head + "\n".join(",".join(row) for row in rows), encoding="utf-8")
    done, _problems = outcome(lambda: import_files(tmp_path / "data", [file], parse_target("bars:x:AB-spot-1m"), True))
    assert done is None or done.rows > 0


@given(st.binary(max_size=80), st.sampled_from(["a.csv", "a.csv.gz", "a.zip", "a.parquet"]))
@quick
def test_any_bytes_are_imported_or_refused(tmp_path, raw, name):
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(InputError):
        import_files(tmp_path / "data", [tmp_path / name], parse_target("trades:x:AB-spot"), replace=True)


@st.composite
def any_bars(draw):
    count = draw(st.integers(1, 30))
    bars = np.zeros(count, BAR)
    for name in ("open", "high", "low", "close", "volume"):
        bars[name] = draw(st.lists(NUMBERS, min_size=count, max_size=count))
    steps = draw(st.lists(st.integers(-3, 5), min_size=count, max_size=count))
    bars["open_ns"] = planted.START_NS + np.cumsum(steps) * planted.MINUTE_NS
    return bars


@given(any_bars(), st.sampled_from(["always", "forex"]))
@quick
def test_any_bars_are_judged_and_what_runs_is_in_order_each_once_and_priced(bars, calendar):
    judged = judge_bars("any", bars, planted.MINUTE_NS, calendar, zoned=True)
    assert all(fault.count > 0 for fault in judged.report.faults)
    assert (np.diff(judged.bars["open_ns"]) > 0).all()
    for name in ("open", "high", "low", "close"):
        assert ((judged.bars[name] > 0) & np.isfinite(judged.bars[name])).all()
    kinds = {fault.kind for fault in judged.report.faults}
    if not kinds & {"disorder", "exact_duplicates", "conflicting_duplicates", "non_positive"}:
        assert len(judged.bars) == len(bars)


@given(st.lists(st.tuples(st.integers(-2, 40), NUMBERS), min_size=1, max_size=30))
@quick
def test_any_index_is_judged(tmp_path, rows):
    times = planted.START_NS + np.cumsum([step for step, _value in rows]) * planted.HOUR_NS
    file = planted.write(tmp_path / "a.parquet", {"ts": times, "rate_eth": np.array([value for _step, value in rows])})
    dataset = Dataset(tmp_path, "staking/a-rate.parquet", "staking", "", "a-rate", (file,))
    judged = judge_series(dataset, Source((file,), "a"))
    assert judged.report.rows == len(rows)


@given(st.lists(st.tuples(st.integers(-2, 3), st.integers(-2, 3), st.integers(0, 5), NUMBERS), min_size=1, max_size=30))
@quick
def test_any_trades_are_judged(tmp_path, rows):
    happened = planted.START_NS + np.cumsum([row[0] for row in rows])
    columns = {
        "ts_event_ns": happened, "ts_init_ns": happened + np.array([row[1] for row in rows]),
        "trade_id": np.array([row[2] for row in rows]), "price": np.array([row[3] for row in rows]),
        "qty": np.ones(len(rows)), "buyer_is_maker": np.zeros(len(rows), bool),
    }  # fmt: skip
    file = planted.write(tmp_path / "a.parquet", columns)
    dataset = Dataset(tmp_path, "trades/x/AB-spot", "trades", "x", "AB-spot", (file,))
    judged = judge_ticks(dataset, Source((file,), "a"))
    assert judged.report.rows == len(rows)
    if judged.rows is not None:
        assert (np.diff(columns["ts_init_ns"][judged.rows]) >= 0).all()
