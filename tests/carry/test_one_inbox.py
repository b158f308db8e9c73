"""Venues of carry answer with events of their own; the market event they are shown goes on as it came."""

from typing import Any

import numpy as np

from carry.synthetic import Run, feed, flat, funding, lend, short, spot, strategy
from tightloop.core.domain.enums import EventKind
from tightloop.runtime.backtest.one_by_one.carry import CarryEvents, CarryExecutor, CarryMoments
from tightloop.runtime.backtest.one_by_one.loop import Loop
from tightloop.runtime.results.recorder import Recorder


class Watched(CarryExecutor):
    """Compares a market event before and after the venues have seen it, and keeps what they answer."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.plan)
        self.answers: list[Any] = []
        self.published: list[Any] = []

    def before(self, event: Any) -> Any:
        seen = event.tobytes()
        answers = list(super().before(event))
        assert event.tobytes() == seen, "a market event is not written on"
        for batch in answers:
            times = [int(answer[0]["ts_init_ns"]) for answer in batch]
            assert times == sorted(times), "the inbox is in order of time"
            self.answers += [answer[0].copy() for answer in batch]
        self.published.append(event[0].copy())
        return iter(answers)


def watched() -> Watched:
    values = flat(30)
    run = Run.of(
        strategy([spot(share=0.4), short(), lend()]), feed(values, settlements=funding(values, lambda _: 0.0003))
    )
    executor = Watched(run)
    events = CarryEvents(run.tape)
    rows = np.zeros((len(run.tape.instants), 400))
    loop = Loop(run.plan, executor, Recorder(), CarryMoments(run.plan, rows, events, None))
    loop.run(events)
    return executor


def kinds(rows: list[Any], kind: EventKind) -> list[Any]:
    return [row for row in rows if row["kind"] == kind]


def test_every_settlement_is_answered_by_an_event_of_the_venue():
    seen = watched()
    published = kinds(seen.published, EventKind.SETTLEMENT_PUBLISHED)
    settled = kinds(seen.answers, EventKind.FUNDING_SETTLED)
    assert len(published) == len(settled) > 1
    for asked, answer in zip(published, settled, strict=True):
        for field in ("instance", "rate", "price", "ts_event_ns", "ts_init_ns"):
            assert answer[field] == asked[field], field
        assert asked["amount"] == asked["stop_price"] == 0.0, "the market says a rate, the venue what it pays"
    assert any(answer["amount"] > 0.0 for answer in settled), "a short is paid where the rate is above 0"
