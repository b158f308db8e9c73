"""What a seed is: a strategy, a market, faults by class, ends of the process, acts of the operator, then quiet.

A fifth of the seeds has one class of faults at a high rate, the others have many at low ones, so that each class meets
a session that is otherwise well, and any two of them meet.
"""

import random
from dataclasses import dataclass
from pathlib import Path

from sim.virtual.faults import NET

STRATEGIES = tuple(
    Path(__file__).parent / "strategies" / f"{name}.yaml" for name in ("market", "resting", "python", "stops")
)
ANSWERS = (
    "http_5xx", "rate_429", "ban_418", "maintenance", "clock_skew", "signature_refused", "key_no_permission",
    "order_refused", "margin_refused", "reduce_refused", "would_trigger", "id_repeated_accepted",
)  # fmt: skip
REPORTS = (
    "fill_twice", "fill_before_ack", "fill_out_of_order", "fill_missing", "cancel_fill_race", "cancel_refused",
    "report_after_end", "stale_snapshot", "history_lags", "stop_refused_at_trigger", "knocked_out",
)  # fmt: skip
ENDS = ("kill", "power_loss", "torn_write", "oom")
OURS = (*ENDS, "disk_full", "disk_readonly", "fsync_error", "slow_disk", "clock_step", "clock_back", "second_engine")
GROUPS = {"net": NET, "venue answers": ANSWERS, "reports": REPORTS, "ours": OURS}
ACTS = ("pause", "resume", "kill", "rearm", "stop keep", "stop flatten")
FAULTY_FROM_S, FAULTY_S = 3.0, 45.0
RARE = ("ban_418", "rate_429", "clock_skew", "key_no_permission", "maintenance", "signature_refused")
"""Classes that strike any request: at a rate of their own, as each keeps the session from the venue for a while."""
SELDOM = (
    "stop_refused_at_trigger", "would_trigger", "cancel_fill_race", "cancel_refused", "reduce_refused",
    "fill_out_of_order", "fill_missing", "pong_lost",
)  # fmt: skip
"""Classes that have few occasions: at a high rate."""
RARE_RATES, USUAL_RATES, SELDOM_RATES = (0.001, 0.01), (0.01, 0.1), (0.1, 0.5)


@dataclass(frozen=True)
class Scenario:
    """A seed as a plan. ``net``, ``venue``: rates by class; ``ours``, ``acts``: (second, what) in order of time.

    ``segment_bytes``, ``snapshot_s``: of the journal, small ones now and then; ``ends_by``: how the session is ended;
    ``is_power_safe``: entries leave once a loss of power does not take their record.
    """

    seed: int
    strategy: Path
    net: dict
    venue: dict
    ours: tuple
    acts: tuple
    segment_bytes: int
    snapshot_s: float
    ends_by: str
    funding_in_s: float | None
    is_power_safe: bool


def scenario_of(seed):
    """Return the scenario of a seed."""
    draw = random.Random(f"{seed} scenario")
    kinds = [*NET, *ANSWERS, *REPORTS]
    if draw.random() < 0.2:
        kind = draw.choice(kinds)
        rates = {kind: 0.08 if kind in RARE else 0.5}
    else:
        share = draw.choice((0.1, 0.3, 0.6))
        rates = {
            kind: draw.uniform(*(RARE_RATES if kind in RARE else SELDOM_RATES if kind in SELDOM else USUAL_RATES))
            for kind in kinds
            if draw.random() < share
        }
    ours = [
        (draw.uniform(FAULTY_FROM_S, FAULTY_S), draw.choice(draw.choice((ENDS, OURS))))
        for _ in range(draw.choice((0, 1, 1, 2, 3)))
    ]
    acts = [(draw.uniform(4.0, FAULTY_S), draw.choice(ACTS)) for _ in range(draw.choice((0, 0, 0, 1, 2, 3)))]
    return Scenario(
        seed=seed,
        strategy=draw.choice(STRATEGIES),
        net={kind: rate for kind, rate in rates.items() if kind in NET},
        venue={kind: rate for kind, rate in rates.items() if kind not in NET},
        ours=tuple(sorted(ours)),
        acts=tuple(sorted(acts)),
        segment_bytes=draw.choice((16_384, 65_536, 262_144)),
        snapshot_s=draw.choice((5.0, 20.0, 300.0)),
        ends_by=draw.choice(("keep", "flatten", "signal", "kill")),
        funding_in_s=draw.choice((None, None, draw.uniform(10.0, 50.0))),
        is_power_safe=draw.random() < 0.25,
    )
