"""Attribution as published runs computed it, for comparing a reproduction with them. It leaves a residual.

Interest and staking are valued at the price of the hour's end. Delta is the mean of the net delta before and after an
hour times the change of price, with the net delta before the first hour taken as 0; the published total left it out.
"""

import numpy as np

from tightloop.core.domain.carry import BUCKETS, BalanceKind
from tightloop.core.replay.carry import FIXED
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.feeds.carry import Floats
from tightloop.runtime.feeds.carry_tape import CarryTape


def legacy_attribution(plan: CarryPlan, tape: CarryTape, snapshots: Floats) -> dict[str, float]:
    """Sum supply, oracle, borrow, delta and funding (share class) over all hours of a run.

    ``snapshots``: a row for each instant of the tape. Assumes that the strategy enters at the first instant.
    """
    books = plan.states[0]["carry"]["books"]
    ones = np.ones(len(tape.instants))
    price_series = max(int(asset["price_series"]) for asset in books["assets"][: int(books["asset_count"])])
    price = tape.values[:, price_series]
    sums = {"supply": 0.0, "oracle": 0.0, "borrow": 0.0}
    net = np.zeros(len(tape.instants))
    column = len(FIXED) + BUCKETS
    for number in range(int(books["balance_count"])):
        balance = books["balances"][number]
        if int(balance["kind"]) not in (BalanceKind.SUPPLIED, BalanceKind.DEBT):
            continue
        amount = snapshots[:, column + 2 * number]
        index = tape.values[:, int(balance["index_series"])]
        rate = tape.values[:, int(balance["rate_series"])] if balance["rate_series"] >= 0 else ones
        held = amount[:-1]
        if balance["sign"] < 0:
            sums["borrow"] -= float((held * np.diff(index) * price[1:]).sum())
        else:
            sums["supply"] += float((held * np.diff(index) * rate[:-1] * price[1:]).sum())
            sums["oracle"] += float((held * index[1:] * np.diff(rate) * price[1:]).sum())
        net += amount * index * rate
    column += 2 * int(books["balance_count"])
    for number in range(int(books["holding_count"])):
        net += snapshots[:, column + 2 * number]
    net[0] = 0.0
    delta = float(((net[1:] + net[:-1]) / 2.0 * np.diff(price)).sum())
    funding = float(books["holdings"]["funding"][: int(books["holding_count"])].sum())
    total = sums["supply"] + sums["oracle"] - sums["borrow"] + funding
    return {**sums, "delta": delta, "funding": funding, "total": total}
