"""The desk of a live session, as its ``session.json`` and plan say it."""

import math
from collections.abc import Mapping
from typing import Any

from tightloop.app.runs.live.venues import chosen
from tightloop.model.signal.plan import Plan
from tightloop.ports.venue import VenueDialect
from tightloop.runtime.session.account.fold import AccountFold
from tightloop.runtime.session.account.recovery import AccountRepetition
from tightloop.runtime.session.desk.desk import Desk
from tightloop.runtime.session.desk.records import DeskTerms, Listed

KIND = "live"
ABSENCE_MIN_S = 30.0
"""Where only the venue's papers tell of its receive window."""


def terms_of(dialect: VenueDialect, account: str) -> DeskTerms:
    """Return what the desk knows of a venue. ``account``: the name of the account, which keys of fills have."""
    can = dialect.capabilities
    of_orders = min((limit for limit in can.limits if limit.is_of_orders), key=lambda limit: limit.per_s)
    return DeskTerms(
        venue=dialect.name,
        account=account,
        can_amend_limit=can.can_amend_limits,
        can_amend_stop=can.can_amend_stops,
        has_conditional_orders=can.conditional_ids,
        gtd_min_s=float(can.expiry_min_s) if can.expiry_min_s else math.nan,
        receive_window_ms=can.receive_window_ms,
        absence_min_s=0.0 if can.is_window_proven else ABSENCE_MIN_S,
        requests_max=of_orders.count,
        requests_window_s=float(of_orders.per_s),
    )


def listed_of(plan: Plan, dialect: VenueDialect) -> tuple[Listed, ...]:
    """Return the instruments of a plan as the desk needs them, with the fees that the strategies were given."""
    state, found = plan.states[0], []
    for at, instrument in enumerate(plan.instruments):
        rules = plan.rules[instrument]
        costs = state["instances"][int(state["instruments"][at]["instance_first"])]["costs"]
        listed = Listed(
            dialect.symbol_of(str(instrument)), rules.price_increment, rules.lot_size, rules.contract_size,
            float(costs["taker_rate"]), float(costs["maker_rate"]), rules.settle_asset or plan.settle_asset,
        )  # fmt: skip
        found.append(listed)
    return tuple(found)


def begin(plan: Plan, about: Mapping[str, Any], epoch: int) -> AccountFold:
    """Return the desk of a session that begins."""
    dialect = chosen(about["venue"], about["url"]).dialect
    terms = terms_of(dialect, about["account_name"])
    return AccountFold(Desk.begin(terms, about["id"], epoch, listed_of(plan, dialect)), dialect)


def repetition(plan: Plan, about: Mapping[str, Any]) -> AccountRepetition:
    """Return what makes the desk of a session again from its journal."""
    dialect = chosen(about["venue"], about["url"]).dialect
    return AccountRepetition(lambda epoch: begin(plan, about, epoch), lambda saved: AccountFold.load(saved, dialect))
