"""The attribution that published runs used, for their reproduction alone. It is no identity: it leaves a difference.

Interest and staking at the price of the hour's end; delta as the mean of the net delta before and after times the
change of price, where the net delta before the first hour was taken as 0. The published total left delta out.
"""

import numpy as np

from tightloop.core.domain.carry import BUCKETS, BalanceKind
from tightloop.core.replay.carry import FIXED
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.feeds.carry import Floats
from tightloop.runtime.feeds.carry_tape import CarryTape


def legacy_attribution(plan: CarryPlan, tape: CarryTape, snapshots: Floats) -> dict[str, float]:
    """Sums over all hours of a run that enters at its first instant: supply, oracle, borrow, delta, funding."""
    books = plan.states[0]["carry"]["books"]
    ones = np.ones(len(tape.instants))
    price_series = max(int(asset["price_series"]) for asset in books["assets"][: int(books["asset_count"])])
    price = tape.values[:, price_series]
    sums = {"supply": 0.0, "oracle": 0.0, "borrow": 0.0}
    net = np.zeros(len(tape.instants))
    first = len(FIXED) + BUCKETS
    for at in range(int(books["balance_count"])):
        own = books["balances"][at]
        if int(own["kind"]) not in (BalanceKind.SUPPLIED, BalanceKind.DEBT):
            continue
        amount = snapshots[:, first + 2 * at]
        index = tape.values[:, int(own["index_series"])]
        rate = tape.values[:, int(own["rate_series"])] if own["rate_series"] >= 0 else ones
        held = amount[:-1]
        if own["sign"] < 0:
            sums["borrow"] -= float((held * np.diff(index) * price[1:]).sum())
        else:
            sums["supply"] += float((held * np.diff(index) * rate[:-1] * price[1:]).sum())
            sums["oracle"] += float((held * index[1:] * np.diff(rate) * price[1:]).sum())
        net += amount * index * rate
    first += 2 * int(books["balance_count"])
    for at in range(int(books["holding_count"])):
        net += snapshots[:, first + 2 * at]
    net[0] = 0.0
    delta = float(((net[1:] + net[:-1]) / 2.0 * np.diff(price)).sum())
    funding = float(books["holdings"]["funding"][: int(books["holding_count"])].sum())
    total = sums["supply"] + sums["oracle"] - sums["borrow"] + funding
    return {**sums, "delta": delta, "funding": funding, "total": total}
