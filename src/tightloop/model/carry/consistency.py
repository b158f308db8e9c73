"""Cross-field validation of carry strategies: sources of legs, LTVs and health factors, budgets, prices, hedges."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tightloop.model.carry.legs import Legs, Refuse, assets_of, followed, gives, holds
from tightloop.model.carry.schema import BandsKeys, CarryKeys
from tightloop.model.carry.strategy import STABLE, Leg, Marks, ShareClass, VenueRules
from tightloop.model.carry.venues import unwrapped
from tightloop.model.files.diagnostics import near
from tightloop.model.files.fields import plain
from tightloop.model.instruments import InstrumentId

TOLERANCE = 1e-9
ADDRESSED = {"spot": "buys with", "lend": "lends", "stake": "stakes", "loop": "stakes", "perp": "has a margin in"}


@dataclass(slots=True)
class Book:
    """A strategy as far as it could be read; input and output of the checks.

    ``refuse``: reports a fault. ``shares``: share of NAV that each leg takes (of a perp: its margin), None if the file
    does not tell.
    """

    keys: CarryKeys
    legs: Legs
    share: ShareClass
    venues: Mapping[str, VenueRules]
    refuse: Refuse
    warnings: list[str] = field(default_factory=list)
    shares: dict[str, float | None] = field(default_factory=dict)

    @property
    def found(self) -> Mapping[str, Leg]:
        """The legs that could be read, by name."""
        return self.legs.found

    def notional(self, leg: Leg) -> float | None:
        """Return a perp's notional as a share of NAV, or None if the file does not tell."""
        if leg.size.kind == "weight":
            return leg.size.value
        if leg.size.kind == "notional" and leg.size.value is not None:
            return leg.size.value / self.keys.capital
        return self.shares.get(leg.size.leg) if leg.size.leg is not None else None


def check(book: Book) -> None:
    """Run all checks; legs must have been read."""
    earlier: list[str] = []
    for name, leg in book.found.items():
        _source(book, leg, earlier)
        _pledged(book, leg)
        _match(book, leg, earlier)
        earlier.append(name)
    _budgets(book)
    for leg in book.found.values():
        if leg.ltv is not None:
            _leverage(book, leg, book.keys.bands)
        if leg.kind == "perp":
            _perp(book, leg, book.keys.bands)
    _margins(book.keys.bands, book.refuse)
    _share_class(book)


def _source(book: Book, leg: Leg, earlier: list[str]) -> None:
    """Check what feeds a leg: the wallet, which holds the share class, or an earlier leg that gives its input asset."""
    path = ("legs", leg.name, "from")
    wanted = {"spot": STABLE, "lend": unwrapped(leg.asset or ""), "perp": STABLE}.get(leg.kind, "ETH")
    if leg.kind == "spot" and leg.instrument is not None:
        wanted = assets_of(leg.instrument)[1]
    share_asset = book.share.asset
    verb = ADDRESSED[leg.kind]
    if leg.source is None:
        if wanted != share_asset and leg.kind != "perp":
            givers = [name for name in earlier if gives(book.found[name]) == wanted]
            remedy = f"write from: {givers[0]}" if givers else f"write from: and an earlier leg that provides {wanted}"
            message = f"is missing: the wallet holds {share_asset}, and this leg {verb} {wanted}"
            book.refuse(path, message, remedy)
        return
    if leg.source in book.legs.broken:
        return
    if leg.source not in earlier:
        is_later = leg.source in book.found
        message = f"{leg.source!r} is {'not an earlier leg' if is_later else 'not a leg of this file'}"
        there = "legs are entered in the order of the file: move it up" if is_later else "name an earlier leg"
        book.refuse(path, message, there if is_later else near(leg.source, earlier, there))
        return
    given = gives(book.found[leg.source])
    if given is None:
        kind = book.found[leg.source].kind
        message = f"{leg.source} is a leg of kind {kind} and provides nothing"
        book.refuse(path, message, "name a leg that provides something")
    elif given != wanted and not (leg.kind == "perp" and given == share_asset):
        book.refuse(
            path, f"{leg.source} provides {given}, and this leg {verb} {wanted}", f"name a leg that provides {wanted}"
        )


def _pledged(book: Book, leg: Leg) -> None:
    """Refuse collateral that comes from another leg: loans are drawn first, so collateral comes from the wallet."""
    if leg.kind == "lend" and leg.borrow is not None and leg.source in book.found:
        message = f"a leg that borrows draws on the wallet, before {leg.source} has provided anything"
        book.refuse(("legs", leg.name, "from"), message, "remove from:, or remove borrow: and ltv:")


def _match(book: Book, leg: Leg, earlier: list[str]) -> None:
    """Check that a matched perp follows an earlier leg that holds the same asset."""
    if leg.size.kind != "match":
        return
    path, name = ("legs", leg.name, "size", "match"), leg.size.leg
    assert name is not None, "a match names a leg"
    if leg.kind != "perp":
        book.refuse(path, f"a leg of kind {leg.kind} cannot match another leg", "write all, {weight: 0.5} or from:")
    elif name in book.found and name not in earlier:
        book.refuse(path, f"{name!r} is not an earlier leg", "legs are entered in the order of the file: move it up")
    elif name in book.found and holds(book.found[name]) != leg.asset:
        held = holds(book.found[name])
        message = f"{name} holds {held or 'no asset'}, and this perp is on {leg.asset}"
        book.refuse(path, message, f"name a leg that holds {leg.asset}")


def _taken(leg: Leg) -> tuple[str, float | None]:
    """Return kind and value of what a leg takes from its source; a perp takes its margin."""
    size = leg.margin if leg.kind == "perp" and leg.margin is not None else leg.size
    return size.kind, size.value


def _budgets(book: Book) -> None:
    """Check that no source is overdrawn: weights, margins and reserve add up to at most 1 of NAV."""
    remaining: dict[str | None, float | None] = {None: 1.0 - book.keys.reserve}
    taken_by: dict[str | None, str] = {}
    for name, leg in book.found.items():
        kind, value = _taken(leg)
        path = ("legs", name, "margin" if leg.kind == "perp" else "size")
        whose = "NAV" if leg.source is None else f"leg {leg.source}"
        if leg.source in taken_by:
            message = f"nothing is left: {taken_by[leg.source]} takes all of {whose}"
            book.refuse(path, message, "write a weight there, or put this leg before it")
            continue
        rest = remaining.get(leg.source)
        if kind == "all":
            taken_by[leg.source] = name
            book.shares[name] = rest
            if rest is not None and rest <= TOLERANCE:
                book.refuse(path, f"nothing is left of {whose}", "write smaller weights before it")
        elif kind == "weight" or (kind == "notional" and value is not None):
            share = value if kind == "weight" or value is None else value / book.keys.capital
            book.shares[name] = share
            if rest is not None and share is not None:
                remaining[leg.source] = rest - share
                if rest - share < -TOLERANCE:
                    _refuse_overdraft(book, leg, path, share - rest)
        else:
            book.shares[name] = None
        given = book.shares[name]
        if leg.kind == "lend" and leg.borrow is not None:
            remaining[name] = None if given is None or leg.ltv is None else given * leg.ltv
        else:
            remaining[name] = given


def _refuse_overdraft(book: Book, leg: Leg, path: tuple[str, ...], excess: float) -> None:
    if leg.source is None:
        total = plain(round(1.0 + excess, 9))
        reserve = " and the reserve" if book.keys.reserve else ""
        book.refuse(path, f"sizes, margins{reserve} add up to {total} of NAV", "write weights that add up to 1 at most")
        return
    message = f"more is taken from leg {leg.source} than it provides, by {plain(round(excess, 9))} of NAV"
    book.refuse(path, message, "write a smaller weight")


def floored(ltv: float) -> float:
    """Round an LTV down to six digits, so that the recommended value itself passes."""
    return math.floor(ltv * 1e6 + 1e-6) / 1e6


def _leverage(book: Book, leg: Leg, bands: BandsKeys) -> None:
    """Check a target LTV against health-factor floors, the LTV band, and the leverage limit of the share class."""
    threshold, ltv, path = leg.liquidation_threshold, leg.ltv, ("legs", leg.name, "ltv")
    if threshold is None or ltv is None:
        return
    health = threshold / ltv
    floors = [("bands.hf_floor", bands.hf_floor), ("entry_hf_min", leg.entry_hf_min)]
    for name, floor in floors:
        if floor is not None and health < floor * (1.0 - TOLERANCE):
            largest = floored(threshold / floor)
            message = f"a target LTV of {plain(ltv)} has a health factor of {health:.6f}, below {name} {plain(floor)}"
            book.refuse(path, message, f"write at most {largest:.6f}, or a lower {name}")
    if bands.ltv is not None and ltv + bands.ltv >= threshold:
        message = f"the band lets the LTV rise to {plain(ltv + bands.ltv)}, and {plain(threshold)} means liquidation"
        book.refuse(("bands", "ltv"), message, f"write less than {plain(round(threshold - ltv, 9))}")
    if leg.kind == "loop" and 1.0 / (1.0 - ltv) > book.share.loop_leverage_max * (1.0 + TOLERANCE):
        allowed = plain(book.share.loop_leverage_max)
        message = f"an LTV of {plain(ltv)} is a leverage of {1.0 / (1.0 - ltv):.6f}, above {allowed}"
        book.refuse(path, message, f"write at most {floored(1.0 - 1.0 / book.share.loop_leverage_max):.6f}")


def _venue_leverage(book: Book, leg: Leg) -> float:
    """Return the lowest leverage limit of a leg's venues; refuse venues with unknown margins."""
    leverage = math.inf
    for instrument, _ in leg.venues:
        rules = book.venues.get(instrument.venue)
        if rules is None or rules.initial_margin is None or rules.maintenance_margin is None:
            path = ("legs", leg.name, "venues", str(instrument))
            remedy = f"write venues: {{{instrument.venue}: {{initial_margin: 0.1, maintenance_margin: 0.05}}}}"
            book.refuse(path, f"the margins of {instrument.venue} are not known", remedy)
            continue
        leverage = min(leverage, 1.0 / rules.initial_margin, rules.leverage_max or math.inf)
    return leverage


def _perp(book: Book, leg: Leg, bands: BandsKeys) -> None:
    """Check that a perp's margin supports its notional at the venues and lies above the margin bands."""
    leverage = _venue_leverage(book, leg)
    size, margin = book.notional(leg), book.shares.get(leg.name)
    if size is None:
        return
    if size > book.share.perp_leverage_max * (1.0 + TOLERANCE):
        allowed = plain(book.share.perp_leverage_max)
        message = f"a notional of {plain(size)} times NAV is above {allowed}, the maximum of the share class"
        book.refuse(("legs", leg.name, "size"), message, f"write at most {{weight: {allowed}}}")
    if margin is None or margin <= 0.0:
        return
    ratio, path = margin / size, ("legs", leg.name, "margin")
    if ratio * leverage < 1.0 - TOLERANCE:
        needed = plain(round(size / leverage, 9))
        least = plain(1.0 / leverage)
        message = f"a margin of {plain(round(ratio, 9))} of the notional is below {least}, the venue's minimum"
        book.refuse(path, message, f"write {{weight: {needed}}} or more")
    for key in ("resize", "liquidate"):
        band = getattr(bands.margin, key)
        if band is not None and ratio <= band:
            message = f"a margin of {plain(round(ratio, 9))} of the notional is not above bands.margin.{key}"
            book.refuse(path, message, f"write more, or a lower bands.margin.{key}")
    if bands.margin.warn is not None and ratio <= bands.margin.warn:
        share = plain(round(ratio, 9))
        book.warnings.append(
            f"{leg.name}: a margin of {share} of the notional triggers the warning from the first hour"
        )


def _margins(bands: BandsKeys, refuse: Refuse) -> None:
    """Check that the warn and resize bands lie above the liquidation band."""
    liquidate = bands.margin.liquidate
    for key in ("warn", "resize"):
        other = getattr(bands.margin, key)
        if liquidate is not None and other is not None and other <= liquidate:
            message = f"{plain(other)} is not above liquidate, {plain(liquidate)}"
            refuse(("bands", "margin", key), message, "write a ratio above it")


def _share_class(book: Book) -> None:
    """Check the promise of the share class: market neutral, or long exactly its own asset."""
    share_asset = book.share.asset
    shorts = [leg for leg in book.found.values() if leg.kind == "perp" and leg.side == "short"]
    hedged = {leg.asset for leg in shorts}
    if book.legs.broken:
        return
    if book.share.is_market_neutral:
        sources = {leg.source for leg in book.found.values()}
        for leg in book.found.values():
            held = holds(leg)
            if held not in (None, STABLE) and held not in hedged and leg.name not in sources:
                message = (
                    f"{leg.name} holds {held} without a hedge, and the share class {share_asset} is market neutral"
                )
                book.warnings.append(message)
        for leg in shorts:
            if leg.size.kind != "match" and not any(holds(other) == leg.asset for other in book.found.values()):
                book.warnings.append(f"{leg.name} is short {leg.asset} that no leg holds")
        return
    for leg in shorts:
        _directional(book, leg)


def _directional(book: Book, leg: Leg) -> None:
    """Refuse or warn about shorts against a coin share class: only holdings beyond the capital may be hedged."""
    share_asset, path = book.share.asset, ("legs", leg.name, "size")
    if leg.size.kind == "match" and leg.size.leg is not None:
        origin = book.found[leg.size.leg]
        if holds(origin) == share_asset and not _is_extra(book, origin):
            message = (
                f"{leg.name} hedges the capital itself: the share class {share_asset} would not follow {share_asset}"
            )
            book.warnings.append(message)
        return
    size = book.notional(leg)
    extra = [book.shares.get(other.name) for other in book.found.values() if other.kind == "spot"]
    room = (
        sum(share or 0.0 for share in extra) if leg.asset != share_asset else 1.0 + sum(share or 0.0 for share in extra)
    )
    if leg.asset != share_asset and not any(holds(other) == leg.asset for other in book.found.values()):
        book.refuse(path, f"a short of {leg.asset} that no leg holds is naked", "write {match: LEG}")
    elif size is None or size > room + TOLERANCE:
        message = f"a short of {plain(size) if size is not None else 'so many units'} of NAV may be more than is held"
        book.refuse(path, message, "write {match: LEG}, or a smaller weight")


def _is_extra(book: Book, leg: Leg) -> bool:
    """Return whether a leg's holding was bought with borrowed money."""
    while leg.source is not None:
        leg = book.found[leg.source]
        if leg.kind == "lend" and leg.borrow is not None:
            return True
    return False


def prices(book: Book) -> Marks:
    """Return the marks with a price source for every asset; refuse assets without one.

    A source is written under ``marks.usd``, or is the spot leg that buys the asset.
    """
    marks, usd = book.keys.marks, {}
    for asset, instrument in marks.usd.items():
        base, quote = assets_of(instrument)
        if base != unwrapped(asset) or quote != STABLE:
            message = f"{instrument} is not a price of {asset} in {STABLE}"
            book.refuse(("marks", "usd", asset), message, f"name a spot instrument such as bybit:{asset}USDT-spot")
        usd[unwrapped(asset)] = instrument
    for leg in book.found.values():
        if leg.kind == "spot" and leg.asset is not None and leg.instrument is not None:
            usd.setdefault(leg.asset, leg.instrument)
    if not book.legs.broken:
        for asset, reason in _needed(book).items():
            if asset not in usd:
                remedy = f"write marks: {{usd: {{{asset}: bybit:{asset}USDT-spot}}}}"
                book.refuse(("marks", "usd"), f"has no price of {asset}: {reason}", remedy)
    return Marks(marks.holes, usd, _proxies(book, usd))


def _needed(book: Book) -> dict[str, str]:
    """Return the assets that need a price in USDT, each with the reason."""
    needed: dict[str, str] = {}
    share_asset, keys = book.share.asset, book.keys
    for leg in book.found.values():
        for asset in (holds(leg), followed(leg.borrow) if leg.borrow is not None else None):
            if asset is None or asset == share_asset:
                continue
            if asset != STABLE:
                needed.setdefault(asset, f"{leg.name} holds or owes it")
            if share_asset != STABLE:
                needed.setdefault(share_asset, f"{leg.name} holds or owes {asset}")
        if leg.kind == "perp" and share_asset != STABLE:
            needed.setdefault(share_asset, f"{leg.name} settles in {STABLE}")
        if leg.rewards and share_asset != STABLE:
            needed.setdefault(share_asset, f"{leg.name} earns rewards that are valued in {STABLE}")
    if keys.costs.gas is not None and share_asset != "ETH":
        needed.setdefault("ETH", "gas is paid in it")
        if share_asset != STABLE:
            needed.setdefault(share_asset, "gas is paid in ETH")
    return needed


def _proxies(book: Book, usd: Mapping[str, InstrumentId]) -> dict[InstrumentId, InstrumentId]:
    """Return instruments whose data replace those of another one, as written under ``marks.proxy``."""
    used = {*usd.values(), *(leg.instrument for leg in book.found.values())}
    used |= {instrument for leg in book.found.values() for instrument, _ in leg.venues}
    proxies: dict[InstrumentId, InstrumentId] = {}
    for name, proxy in book.keys.marks.proxy.items():
        path = ("marks", "proxy", name)
        try:
            replaced = InstrumentId.parse(name)
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            book.refuse(path, message, remedy)
            continue
        if replaced == proxy:
            book.refuse(path, f"{name} is its own proxy", "name another instrument")
        elif replaced.market != proxy.market or assets_of(replaced) != assets_of(proxy):
            message = f"{proxy} is not a {replaced.market} of the same assets as {replaced}"
            book.refuse(path, message, f"name another {replaced.symbol}-{replaced.market}")
        elif replaced not in used and not book.legs.broken:
            book.refuse(path, f"no leg and no price uses {replaced}", "remove it")
        proxies[replaced] = proxy
    return proxies
