"""A run of any family goes through the same phases, has the same summary and is explained by the same skeleton."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tightloop
from tightloop.app.analysis.explain_carry import CarryAgain
from tightloop.app.analysis.rerun import RUN_KEYS, Again, FinishedRun
from tightloop.app.runs.carry import CarryJob, CarryRun
from tightloop.app.runs.driving import Driven, cut_short, drive
from tightloop.app.runs.files import write_run
from tightloop.app.runs.job import Job, RunOptions
from tightloop.app.runs.run import Run
from tightloop.app.runs.signal import SignalJob, SignalRun
from tightloop.model.errors import InputError, StrategyError
from tightloop.runtime.results.result import Identity, Result, summary

COMMON = [
    "strategy", "config_hash", "data_hash", "engine_version", "seed", "session_id", "settle_asset", "instruments",
    "timeframe", "feed", "from", "to", "initial_equity", "final_equity", "state_hash", "metrics", "attribution",
    "account", "warnings", "denied",
]  # fmt: skip
INPUTS = [
    "strategies", "data", "from", "to", "instruments", "settings", "account", "accept", "is_part", "options_in_files",
]  # fmt: skip


def identity(**others):
    return Identity(
        strategy="s", config_hash="c", data_hash="d", seed=1, settle_asset="USDT", instruments=["a", "b"],
        timeframe="1m", feed=None, capital=100.0, **others,
    )  # fmt: skip


def summed(own, equity=(), **others):
    return summary(
        own, np.arange(len(equity), dtype=np.int64), np.array(equity, float), "state", metrics={"trades": 0},
        attribution={}, account={}, warnings=[], denied=[], **others,
    )  # fmt: skip


class Made(Run):
    def page(self, made_at):
        return f"<p>{made_at}</p>"

    def texts(self):
        return {"strategy.yaml": b"name: s\n"}


class Noted(Job):
    """A job that notes its phases, with a driver that ends as it is told."""

    def __init__(self, options, driven):
        super().__init__(options)
        self.phases, self.ends = [], driven

    def load(self):
        self.phases.append("load")
        self.warnings = ["of the data"]

    def plan(self):
        self.phases.append("plan")

    def drive(self):
        self.phases.append("drive")
        return self.ends

    def last_ns(self):
        return None

    def result(self, warnings, quality):
        self.phases.append("result")
        return Result(summed(identity()) | {"warnings": warnings}, {}, quality)

    def names(self):
        return ["strategy.yaml"]

    def progress(self):
        return {"steps": self.driven.done}

    def counts(self):
        return self.driven.done, 3

    def run(self, **common):
        return Made(**common)


def test_both_families_are_one_kind_of_run_and_of_job():
    assert tightloop.Run is Run
    assert issubclass(SignalRun, Run)
    assert issubclass(CarryRun, Run)
    for family in (SignalRun, CarryRun):
        assert family.write is Run.write
        assert family.report is Run.report
    for family in (SignalJob, CarryJob):
        assert family.make is Job.make
    for family in (Again, CarryAgain):
        assert issubclass(family, FinishedRun)


def test_a_job_goes_through_its_phases_once_and_its_summary_says_what_it_was_made_of():
    job = Noted(RunOptions(data={}, settings=["a=1"], accept=["gap"], read_s=2.0), Driven(7))
    run = job.make()
    assert job.phases == ["load", "plan", "drive", "result"]
    assert list(run.summary) == [*COMMON, "is_synthetic", "inputs"]
    assert list(run.summary["inputs"]) == [*INPUTS[:-1], "steps", INPUTS[-1]]
    assert run.summary["inputs"] | {"data": None, "settings": ["a=1"], "accept": ["gap"]} == run.summary["inputs"]
    assert list(run.timing) == ["load", "compile", "run", "write", "events", "bars"]
    assert (run.timing["events"], run.timing["bars"]) == (7, 3)
    assert run.timing["compile"] >= 2.0
    assert run.summary["warnings"] == ["of the data"]


def test_a_strategy_that_fails_hands_over_the_part_that_was_done():
    failure = StrategyError("own.py:3: it failed")
    with pytest.raises(StrategyError) as raised:
        Noted(RunOptions(data={}), Driven(5, is_part=True, failure=failure)).make()
    assert raised.value is failure
    assert isinstance(failure.run, Run)
    assert failure.run.summary["inputs"]["is_part"]
    first = failure.run.summary["warnings"][0]
    assert first.startswith("failed (own.py:3: it failed): the run went no further than its beginning")


def test_the_summary_has_one_order_of_keys_and_a_family_only_adds_its_own():
    plain, carry = summed(identity()), summed(identity(family="carry"), figures={"apy": 1.0})
    assert list(plain) == COMMON
    assert [key for key in carry if key not in ("family", "figures")] == COMMON
    assert list(carry)[1] == "family"
    assert list(carry)[list(carry).index("metrics") + 1] == "figures"
    assert plain["session_id"] == carry["session_id"], "which run it is does not depend on what its family adds"
    assert (plain["from"], plain["final_equity"]) == (None, 100.0)
    assert summed(identity(), [1.0, 2.0])["final_equity"] == 2.0


def test_a_driver_that_is_stopped_leaves_a_part_and_one_that_is_done_does_not():
    seen = []
    whole = drive(lambda look: (look(4), 4)[1], 4, lambda done, total: seen.append((done, total)), last=4)
    assert (whole.done, whole.is_part, seen) == (4, False, [(4, 4)])
    assert cut_short(whole, 0) == []
    until = cut_short(Driven(2, is_part=True), 60_000_000_000)
    assert until == ["interrupted: the run went until 1970-01-01T00:01:00Z; every figure covers that part only"]


def test_one_function_writes_the_folder_of_a_run(tmp_path):
    run = Noted(RunOptions(data={}), Driven(1)).make()
    page = run.write(tmp_path / "run")
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {"result.json", "quality.json", "strategy.yaml", "report.html"}
    assert page == tmp_path / "run" / "report.html"
    assert json.loads((tmp_path / "run" / "result.json").read_text())["inputs"]["files"] == ["strategy.yaml"]
    assert write_run(tmp_path / "run", run.result, {}) is None
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"result.json", "quality.json"}


def test_a_source_says_the_same_of_a_run_of_any_family_and_refuses_the_same():
    result = summed(identity(), [1.0, 2.0]) | {"inputs": {"is_part": False}, "is_synthetic": True}
    source = FinishedRun(Path("folder"), result)
    facts = source.facts({"events": 3})
    assert list(facts) == ["folder", *RUN_KEYS, "is_same_again", "is_synthetic", "events", "is_part", "cut_short"]
    source.check_time(5, 5, 5)
    with pytest.raises(InputError, match="the run went from"):
        source.check_time(6, 0, 5)
    orders = pl.DataFrame({"order_id": ["1-0", "2-0"], "qty": [1.0, 2.0]})
    assert source.order(orders, "2-0") == {"order_id": "2-0", "qty": 2.0}
    with pytest.raises(InputError, match="take one of orders"):
        source.order(orders, "3-0")
