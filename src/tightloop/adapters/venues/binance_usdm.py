"""Binance USD-M futures, and the public history of Binance spot: their language, without I/O.

How it works. The table `_REQUESTS` has a line for each request: what it asks for, and the reader of its answer.
``encode`` signs the first. ``decode`` looks at status and code (`_refused`), then gives the body to the second. What
Python raises in a reader, on bytes that are not as the papers say, becomes Malformed: nothing a venue sends can raise.

Stops are algo orders since 2025-12-09: POST order refuses them with -4120. An algo order has an id of its kind; its
trigger sends another order, whose id is `ai` in ALGO_UPDATE and `actualOrderId` in an answer, and which was seen to
keep the client id. Which of TRIGGERED and the first fill comes first is not promised.

Sources: developers.binance.com/docs/derivatives/usds-margined-futures, binance-spot-api-docs; weights: ccxt 4.5.90.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tightloop.adapters.venues._shared import calls, failures, numbers
from tightloop.adapters.venues._shared.calls import WORDS_MAX, Access, Kind, Question, Records, Row
from tightloop.adapters.venues._shared.numbers import flag, ns, number, optional, positive, string, whole, written
from tightloop.model.instruments import TIMEFRAMES
from tightloop.ports import execution as ex
from tightloop.ports import market_data as md
from tightloop.ports.execution import OrderKind, OrderState, RefusalKind, Side, TimeInForce, Trigger
from tightloop.ports.transport import HttpAnswer, HttpCall, Lane
from tightloop.ports.venue import Capabilities, Credentials, SocketPlan

RECEIVE_WINDOW_MS = 5_000
EXPIRY_MIN_S = 610  # the venue refuses less than 600 s (-5040); 10 s for the way and the clocks
STREAMS_PER_SOCKET = 200
HOSTS = calls.Hosts("https://fapi.binance.com", "https://api.binance.com", "wss://fstream.binance.com")

# Questions -----------------------------------------------------------------------------------------------------------

_TIFS = {TimeInForce.GTC: "GTC", TimeInForce.GTT: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}


def _asked_order(order: ex.SubmitOrder, now_ms: int) -> Question:
    params = {"symbol": order.symbol, "side": order.side.name}
    size = {"quantity": written(order.qty), **({"reduceOnly": "true"} if order.is_reduce_only else {})}
    lane = Lane.EXIT if order.is_reduce_only else Lane.ENTRY
    if order.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT):
        params |= {"algoType": "CONDITIONAL", "type": "STOP_MARKET", **size, "triggerPrice": written(order.stop_price)}
        if order.kind == OrderKind.STOP_LIMIT:
            params |= {"type": "STOP", "price": written(order.price), "timeInForce": _TIFS[order.tif]}
        params["workingType"] = "MARK_PRICE" if order.trigger == Trigger.MARK else "CONTRACT_PRICE"
        return Question("POST", "algoOrder", params | {"clientAlgoId": order.client_id}, 1, Access.SIGNED, lane, 1)
    assert order.kind in (OrderKind.MARKET, OrderKind.LIMIT), f"{order.kind.name} is not an order of this venue"
    params |= {"type": order.kind.name, **size}
    if order.kind == OrderKind.LIMIT:
        params |= {"price": written(order.price), **_time_in_force(order, now_ms)}
    params |= {"newClientOrderId": order.client_id, "newOrderRespType": "RESULT"}
    return Question("POST", "order", params, 1, Access.SIGNED, lane, 1)


def _time_in_force(order: ex.SubmitOrder, now_ms: int) -> dict[str, str]:
    """Return GTD, in whole seconds as the venue reads it, for an order that ends; the desk cancels it when due."""
    if order.is_post_only:
        return {"timeInForce": "GTX"}
    if not order.expires_ns or order.tif in (TimeInForce.IOC, TimeInForce.FOK):
        return {"timeInForce": _TIFS[order.tif]}
    ends_s = max(-(-order.expires_ns // 1_000_000_000), now_ms // 1_000 + 1 + EXPIRY_MIN_S)
    return {"timeInForce": "GTD", "goodTillDate": f"{ends_s}000"}


def _one_order(method: str, lane: Lane, order: ex.CancelOrder | ex.LookUpOrder) -> Question:
    venue_id = order.venue_order_id if isinstance(order, ex.LookUpOrder) else ""
    if order.is_conditional:
        named = {"algoId": venue_id} if venue_id else {"clientAlgoId": order.client_id}
        return Question(method, "algoOrder", named, 1, Access.SIGNED, lane)
    named = {"orderId": venue_id} if venue_id else {"origClientOrderId": order.client_id}
    return Question(method, "order", {"symbol": order.symbol, **named}, 1, Access.SIGNED, lane)


def _amended(order: ex.AmendOrder) -> Question:
    params = {"origClientOrderId": order.client_id, "symbol": order.symbol, "side": order.side.name}
    params |= {"quantity": written(order.qty), "price": written(order.price)}
    return Question("PUT", "order", params, 1, Access.SIGNED, Lane.ENTRY, 1)


def _since(path: str, weight: int, request: Any, **params: str) -> Question:
    window = {"startTime": str(request.since_ns // numbers.MILLISECOND_NS), "limit": "1000"}
    return Question("GET", path, {**params, **window}, weight)


def _history(path: str, spot_path: str, request: Any, weights: tuple[int, int], **params: str) -> Question:
    """Ask for public rows from an id on, or of a window; the venue takes both ends in, so ours ends 1 ms earlier."""
    start_ms, end_ms = (-(-time_ns // numbers.MILLISECOND_NS) for time_ns in (request.start_ns, request.end_ns))
    from_id, is_spot = getattr(request, "from_id", -1), getattr(request, "is_spot", False)
    rows = {"fromId": str(from_id)} if from_id >= 0 else {"startTime": str(start_ms), "endTime": str(end_ms - 1)}
    params = {"symbol": request.symbol, **params, **rows, "limit": str(request.count)}
    return Question("GET", spot_path if is_spot else path, params, weights[is_spot], Access.PUBLIC, is_spot=is_spot)


# Answers -------------------------------------------------------------------------------------------------------------

_RESTING = ("NEW", "PENDING_NEW", "NEW_INSURANCE", "NEW_ADL", "TRIGGERING", "TRIGGERED")
_STATES = dict.fromkeys(_RESTING, OrderState.ACCEPTED) | {
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED, "FILLED": OrderState.FILLED, "CANCELED": OrderState.CANCELED,
    "EXPIRED": OrderState.EXPIRED, "EXPIRED_IN_MATCH": OrderState.EXPIRED, "REJECTED": OrderState.REJECTED,
}  # fmt: skip
_EXPIRY_REASONS = dict.fromkeys("239", RefusalKind.UNFILLED)  # `er` of ORDER_TRADE_UPDATE
_EXPIRY_REASONS |= {"4": RefusalKind.NOTHING_TO_REDUCE, "7": RefusalKind.NOT_TRADING}
_ENDS = {"IOC": RefusalKind.UNFILLED, "FOK": RefusalKind.UNFILLED, "GTX": RefusalKind.WOULD_TAKE}
_ORDER_KEYS = {
    "c": "clientOrderId", "i": "orderId", "s": "symbol", "S": "side", "X": "status", "q": "origQty", "z": "executedQty",
    "ap": "avgPrice", "p": "price", "sp": "stopPrice", "R": "reduceOnly", "T": "updateTime", "f": "timeInForce",
    "ot": "origType", "er": "er",
}  # fmt: skip
_ALGO_KEYS = {
    "caid": "clientAlgoId", "aid": "algoId", "s": "symbol", "S": "side", "X": "algoStatus", "q": "quantity",
    "ai": "actualOrderId", "aq": "actualQty", "ap": "actualPrice", "tp": "triggerPrice", "p": "price",
    "R": "reduceOnly", "rm": "reason",
}  # fmt: skip
_ORIGINS = {"autoclose-": ex.FillOrigin.LIQUIDATION, "adl_autoclose": ex.FillOrigin.ADL,
            "settlement_autoclose-": ex.FillOrigin.DELISTING}  # fmt: skip # how ids begin of orders the venue makes


def _origin(row: Row) -> ex.FillOrigin:
    name, unforced = string(row["clientOrderId"]), ex.FillOrigin.ORDER
    return next((kind for start, kind in _ORIGINS.items() if name.startswith(start)), unforced)


def _order(row: Row) -> ex.OrderReport:
    state, reason = _STATES[row["status"]], RefusalKind.NONE
    if state in (OrderState.EXPIRED, OrderState.REJECTED):
        by_kind = RefusalKind.UNFILLED if row.get("origType") == "MARKET" else RefusalKind.OTHER
        by_kind = _ENDS.get(row.get("timeInForce", ""), by_kind)
        reason = _EXPIRY_REASONS.get(str(row.get("er")), by_kind)
    return ex.OrderReport(
        client_id=string(row["clientOrderId"]), venue_order_id=str(whole(row["orderId"])), symbol=string(row["symbol"]),
        side=Side[row["side"]], state=state, reason=reason, qty=number(row["origQty"]),
        cum_qty=number(row["executedQty"]), avg_price=positive(row.get("avgPrice")), made_ns=ns(row.get("time", 0)),
        price=positive(row.get("price")), stop_price=positive(row.get("stopPrice")), is_conditional=False,
        is_reduce_only=flag(row["reduceOnly"]), ts_ns=ns(row["updateTime"]), origin=_origin(row),
    )  # fmt: skip


def _algo_order(row: Row) -> ex.OrderReport:
    """Read an algo order. FINISHED says that what the trigger sent has ended; how much is filled, ALGO_UPDATE alone."""
    qty, filled = optional(row["quantity"]), optional(row.get("actualQty"))
    status, words = string(row["algoStatus"]), string(row.get("reason") or "")
    finished = OrderState.FILLED if filled >= qty else OrderState.CANCELED
    state = finished if status == "FINISHED" else _STATES[status]
    reason = RefusalKind.NONE
    if state in (OrderState.EXPIRED, OrderState.REJECTED):
        by_words = RefusalKind.MARGIN if "argin" in words else RefusalKind.OTHER
        reason = RefusalKind.NOTHING_TO_REDUCE if "educe" in words else by_words
    return ex.OrderReport(
        client_id=string(row["clientAlgoId"]), venue_order_id=str(whole(row["algoId"])), symbol=string(row["symbol"]),
        side=Side[row["side"]], state=state, reason=reason, qty=qty, made_ns=ns(row.get("createTime", 0)),
        cum_qty=0.0 if math.isnan(filled) and not row.get("actualOrderId") else filled,
        avg_price=positive(row.get("actualPrice")), price=positive(row.get("price")),
        stop_price=positive(row["triggerPrice"]), is_reduce_only=flag(row["reduceOnly"]), is_conditional=True,
        ts_ns=ns(row["updateTime"]), triggered_id=str(row.get("actualOrderId") or ""), text=words[:WORDS_MAX],
    )  # fmt: skip


def _fill(row: Row) -> ex.FillReport:
    return ex.FillReport(
        client_id="", venue_order_id=str(whole(row["orderId"])), trade_id=str(whole(row["id"])),
        symbol=string(row["symbol"]), side=Side[row["side"]], qty=number(row["qty"]), price=number(row["price"]),
        fee=optional(row.get("commission")), fee_asset=string(row.get("commissionAsset") or ""), ts_ns=ns(row["time"]),
        is_maker=flag(row["maker"]), cum_qty=math.nan, order_qty=math.nan, origin=ex.FillOrigin.ORDER,
    )  # fmt: skip


def _position(row: Row) -> ex.PositionReport:
    return ex.PositionReport(
        symbol=string(row["symbol"]), qty=number(row["positionAmt"]), entry_price=positive(row["entryPrice"]),
        mark=positive(row.get("markPrice")), liquidation_price=positive(row.get("liquidationPrice")),
        leverage=optional(row.get("leverage")), is_isolated=number(row["isolatedWallet"]) != 0.0,
        ts_ns=ns(row["updateTime"]), margin=positive(row.get("isolatedMargin")),
        maintenance=optional(row.get("maintMargin")),
    )  # fmt: skip


def _wallet(row: Row) -> ex.WalletReport:
    wallet, available = number(row["walletBalance"]), number(row["availableBalance"])
    return ex.WalletReport(string(row["asset"]), wallet, available, ns(row["updateTime"]))


_INCOME = {word: kind for kind, words in (
    (ex.IncomeKind.FUNDING, ("FUNDING_FEE",)), (ex.IncomeKind.OF_FILLS, ("COMMISSION", "REALIZED_PNL")),
    (ex.IncomeKind.TRANSFER, ("TRANSFER", "INTERNAL_TRANSFER", "CROSS_COLLATERAL_TRANSFER")),
    (ex.IncomeKind.DEPOSIT, ("DEPOSIT", "COIN_SWAP_DEPOSIT", "WELCOME_BONUS")),
    (ex.IncomeKind.WITHDRAWAL, ("WITHDRAW", "WITHDRAWAL", "COIN_SWAP_WITHDRAW")),
) for word in words}  # fmt: skip


def _income(row: Row) -> ex.IncomeReport:
    words = string(row["incomeType"]), string(row["symbol"]), string(row["asset"])
    kind, amount = _INCOME.get(words[0], ex.IncomeKind.OTHER), number(row["income"])
    return ex.IncomeReport(kind, *words, amount, str(whole(row["tranId"])), ns(row["time"]))


_PARTS: Mapping[str, tuple[Question, Mapping[str, str]]] = {  # what is asked, and where flags stand in the answer
    "hedge_mode": (Question("GET", "positionSide/dual", {}, 30), {"hedge_mode": "dualSidePosition"}),
    "multi_assets": (Question("GET", "multiAssetsMargin", {}, 30), {"multi_assets": "multiAssetsMargin"}),
    "fee_burn": (Question("GET", "feeBurn", {}), {"fee_burn": "feeBurn"}),
    "symbols": (Question("GET", "symbolConfig", {}, 5), {}),
    "account": (Question("GET", "/fapi/v2/balance", {}, 5), {}),
    "key": (Question("GET", "/sapi/v1/account/apiRestrictions", {}, is_spot=True), {
        "withdrawals": "enableWithdrawals", "futures": "enableFutures", "reading": "enableReading",
        "transfers": "permitsUniversalTransfer", "portfolio_margin": "enablePortfolioMarginTrading",
    }),
}  # fmt: skip


def _modes(part: str, body: Any) -> Iterator[ex.AccountMode]:
    if part == "account":
        yield ex.AccountMode("account", string(body[0]["accountAlias"]))
    elif part == "symbols":
        for row in body:
            yield ex.AccountMode("isolated", string(row["marginType"]) == "ISOLATED", string(row["symbol"]))
            yield _leverage(row, "symbol", "leverage")
    else:
        for name, key in _PARTS[part][1].items():
            if key in body or part != "key":  # of a key no right is a must: what is not said is not known
                yield ex.AccountMode(name, flag(body[key]))


def _leverage(row: Row, symbol: str, leverage: str) -> ex.AccountMode:
    return ex.AccountMode("leverage", str(whole(row[leverage])), string(row[symbol]))


def _listing(body: Row) -> Iterator[md.ListedInstrument | md.VenueLimit]:
    for row in body["rateLimits"]:
        if row["rateLimitType"] in ("REQUEST_WEIGHT", "ORDERS"):
            per_s = calls.SECONDS[row["interval"]] * whole(row["intervalNum"])
            yield md.VenueLimit(row["rateLimitType"] == "ORDERS", whole(row["limit"]), per_s)
    for row in body["symbols"]:
        if "PERPETUAL" not in row.get("contractType", "PERPETUAL"):  # spot has none
            continue
        rules = {one["filterType"]: one for one in row["filters"]}
        price, lot, band = rules["PRICE_FILTER"], rules["LOT_SIZE"], rules.get("PERCENT_PRICE", {})
        notional = rules.get("MIN_NOTIONAL") or rules.get("NOTIONAL") or {}
        yield md.ListedInstrument(
            symbol=string(row["symbol"]), status=string(row["status"]), is_trading=row["status"] == "TRADING",
            base_asset=string(row["baseAsset"]), settle_asset=string(row.get("marginAsset") or row["quoteAsset"]),
            price_increment=positive(price["tickSize"]), lot_size=positive(lot["stepSize"]), multiplier=1.0,
            qty_max=positive(lot["maxQty"]), market_qty_max=positive(rules.get("MARKET_LOT_SIZE", {}).get("maxQty")),
            min_notional=optional(notional.get("notional", notional.get("minNotional"))),
            price_band_up=positive(band.get("multiplierUp")), price_band_down=positive(band.get("multiplierDown")),
            is_leaving=string(row["status"]).startswith(("PRE_", "DELIVER", "SETTLING", "CLOSE")),
        )  # fmt: skip


def _tiers(row: Row) -> md.ListedTiers:
    keys = ("notionalCap", "maintMarginRatio", "initialLeverage")
    cap_rate_leverage = sorted(tuple(number(tier[key]) for key in keys) for tier in row["brackets"])
    return md.ListedTiers(string(row["symbol"]), tuple((cap, rate, most) for cap, rate, most in cap_rate_leverage))


def _bars(request: md.ListBars, body: Any) -> Iterator[md.VenueBar]:
    """Read bars; only that another follows shows of one that it has closed."""
    for index, row in enumerate(body):
        open_ns, step_ns, is_last = ns(row[0]), TIMEFRAMES[request.timeframe], index == len(body) - 1
        prices = number(row[1]), number(row[2]), number(row[3]), number(row[4]), number(row[5])
        yield md.VenueBar(request.symbol, open_ns, open_ns + step_ns, *prices, not is_last)


def _print(symbol: str, row: Row, name: str, price: str, qty: str, time: str, maker: str) -> md.Print:
    values = number(row[price]), number(row[qty]), whole(row[name])
    return md.Print(string(symbol), *values, flag(row[maker]), ns(row[time]))


def _rate(row: Row) -> md.SettledRate:
    values = number(row["fundingRate"]), positive(row.get("markPrice"))
    return md.SettledRate(string(row["symbol"]), *values, ns(row["fundingTime"]))


def _mark(row: Row, symbol: str, mark: str, index: str, rate: str, next_time: str, time: str) -> md.VenueMark:
    values = number(row[mark]), positive(row[index]), optional(row[rate])
    return md.VenueMark(string(row[symbol]), *values, ns(row[next_time]), ns(row[time]))


def _orders(_: object, body: Any) -> Iterator[ex.OrderReport]:
    for row in body if isinstance(body, list) else [body]:
        yield _algo_order(row) if "algoId" in row else _order(row)


def _snapshot(symbol: str, body: Row) -> md.BookChange:
    last, levels = whole(body["lastUpdateId"]), (numbers.levels(body["bids"]), numbers.levels(body["asks"]))
    return md.BookChange(symbol, *levels, last, last, -1, True, ns(body["T"]))


_REQUESTS: Mapping[type, Kind] = {
    ex.SubmitOrder: Kind(_asked_order, _orders),
    ex.TryOrder: Kind(lambda r, now_ms: _asked_order(r.order, now_ms)._replace(
        path="order/test", lane=Lane.QUERY, order_count=0), lambda *_: []),
    ex.CancelOrder: Kind(
        lambda r, _: _one_order("DELETE", Lane.CANCEL, r), lambda r, row: [] if r.is_conditional else _orders(r, row)),
    ex.AmendOrder: Kind(lambda r, _: _amended(r), _orders),
    ex.LookUpOrder: Kind(lambda r, _: _one_order("GET", Lane.EXIT, r), _orders),
    ex.ListOpenOrders: Kind(lambda r, _: calls.get(f"open{'Algo' * r.is_conditional}Orders", 40), _orders),
    ex.ListOrders: Kind(lambda r, _: _since(f"all{'Algo' * r.is_conditional}Orders", 5, r, symbol=r.symbol), _orders),
    ex.ListFills: Kind(lambda r, _: _since("userTrades", 5, r, symbol=r.symbol), calls.each(_fill)),
    ex.ListIncome: Kind(lambda r, _: _since("income", 30, r), calls.each(_income)),
    ex.ListPositions: Kind(lambda *_: calls.get("/fapi/v3/positionRisk", 5), calls.each(_position)),
    ex.ReadWallet: Kind(lambda *_: calls.get("/fapi/v3/account", 5), lambda _, body: map(_wallet, body["assets"])),
    ex.ReadAccountMode: Kind(lambda r, _: _PARTS[r.part][0], lambda r, body: _modes(r.part, body)),
    ex.SetLeverage: Kind(
        lambda r, _: calls.post("leverage", symbol=r.symbol, leverage=str(r.leverage)),
        lambda _, row: [_leverage(row, "symbol", "leverage")]),
    ex.SetIsolatedMargin: Kind(
        lambda r, _: calls.post("marginType", symbol=r.symbol, marginType="ISOLATED"),
        lambda r, _: [ex.AccountMode("isolated", True, r.symbol)]),
    ex.ReadServerTime: Kind(lambda *_: Question("GET", "time", {}, 1, Access.PUBLIC, Lane.EXIT),  # to prove an absence
                            lambda _, body: [ex.ServerTime(ns(body["serverTime"]))]),
    ex.OpenReports: Kind(
        lambda r, _: Question("PUT" if r.is_renewal else "POST", "listenKey", {}, 1, Access.KEYED),
        lambda r, body: [ex.ReportsKey("" if r.is_renewal else string(body["listenKey"]))]),
    md.ListInstruments: Kind(lambda r, _: Question(
        "GET", *(("/api/v3/exchangeInfo", {}, 20) if r.is_spot else ("exchangeInfo", {}, 1)), Access.PUBLIC,
        is_spot=r.is_spot), lambda _, body: _listing(body)),
    md.ListMarginTiers: Kind(
        lambda r, _: calls.get("leverageBracket", 1, **({"symbol": r.symbol} if r.symbol else {})),
        lambda _, body: map(_tiers, body if isinstance(body, list) else [body])),
    md.ListBars: Kind(lambda r, _: _history("klines", "/api/v3/klines", r, (
        calls.stepped(r.count, (99, 1), (499, 2), (1_000, 5), above=10), 2), interval=r.timeframe), _bars),
    md.ListAggregates: Kind(
        lambda r, _: _history("aggTrades", "/api/v3/aggTrades", r, (20, 4)),
        lambda r, body: [_print(r.symbol, row, "a", "p", "q", "T", "m") for row in body]),
    md.ListRecentTrades: Kind(
        lambda r, _: calls.get("trades", 5, Access.PUBLIC, symbol=r.symbol, limit=str(r.count)),
        lambda r, body: [_print(r.symbol, row, "id", "price", "qty", "time", "isBuyerMaker") for row in body]),
    md.ListFundingRates: Kind(lambda r, _: _history("fundingRate", "", r, (1, 1)), calls.each(_rate)),
    md.ReadMark: Kind(
        lambda r, _: calls.get("premiumIndex", 1, Access.PUBLIC, symbol=r.symbol),
        lambda _, row: [_mark(row, "symbol", "markPrice", "indexPrice", "lastFundingRate", "nextFundingTime", "time")]),
    md.ReadBook: Kind(
        lambda r, _: calls.get("depth", calls.stepped(r.depth, (50, 2), (100, 5), (500, 10), above=20), Access.PUBLIC,
                          symbol=r.symbol, limit=str(r.depth)),
        lambda r, body: [_snapshot(r.symbol, body)]),
}  # fmt: skip


# Refusals ------------------------------------------------------------------------------------------------------------

_CODES = failures.Codes(
    limits={-1003: failures.LIMIT_WAIT_S, -1015: 10.0}, overloaded=frozenset({-1008, -1016}),
    unknown=frozenset({-1000, -1001, -1006, -1007}), absent=frozenset({-2011, -2013}), clock=frozenset({-1021, -5028}),
    key=frozenset({-1002, -1005, -1011, -1022, -1099, -1109, -2014, -2015, -2017}),
    signature=frozenset({-1022}), unavailable="Service Unavailable",
    refusals={code: kind for kind, codes in (
        (RefusalKind.MARGIN, (-2018, -2019, -2027, -2028, -4050, -4051)),
        (RefusalKind.NOTHING_TO_REDUCE, (-2022, -2024, -4118)),
        (RefusalKind.WOULD_TRIGGER, (-2021,)), (RefusalKind.WOULD_TAKE, (-5022,)), (RefusalKind.TOO_LATE, (-4117,)),
        (RefusalKind.UNFILLED, (-2020, -5021, -5041)),
        (RefusalKind.RULES, (-1013, -1111, *range(-4005, -4000), -4013, -4014, -4016, -4023, -4024, -4029, -4030,
                             -4131, -4164, -4183, -4184, -4210, -4211)),
        (RefusalKind.NOT_TRADING, (-1122, -2016, -4108, -4140, -4141, -5024)),
        (RefusalKind.ID_REPEATED, (-4115, -4116)),
        (RefusalKind.PERMISSION, (-4087, -4088, -4192, -4400, -4401, -4402)),
    ) for code in codes},
)  # fmt: skip
_AS_IT_WAS = {ex.SetIsolatedMargin: -4046, ex.AmendOrder: -5027}  # it is already as it was asked for


def _refused(request: object, answer: HttpAnswer) -> Records | ex.Failure:
    code, text = calls.words(answer.body, "code", "msg")
    if code == -1125 and isinstance(request, ex.OpenReports):
        return [ex.ReportsExpired()]
    return [] if code and code == _AS_IT_WAS.get(type(request)) else failures.failure_of(_CODES, answer, code, text)


# Frames --------------------------------------------------------------------------------------------------------------


def _order_frame(event: Row) -> Records:
    row = event["o"]
    order = _order(calls.renamed(row, _ORDER_KEYS))
    if row["x"] not in ("TRADE", "CALCULATED") or number(row["l"]) == 0.0:
        return [order]
    fill = ex.FillReport(
        order.client_id, order.venue_order_id, str(whole(row["t"])) if row["t"] else "", order.symbol, order.side,
        number(row["l"]), number(row["L"]), optional(row.get("n")), string(row.get("N") or ""), flag(row["m"]),
        order.cum_qty, order.qty, order.origin, order.ts_ns,
    )  # fmt: skip
    return [fill, order]


def _account_frame(event: Row) -> Records:
    changed, ts_ns, unsaid = event["a"], ns(event["T"]), (math.nan, math.nan, math.nan)
    reports: Records = []
    for row in changed["B"]:
        reports.append(ex.WalletReport(string(row["a"]), number(row["wb"]), math.nan, ts_ns, changed["m"] == "ORDER"))
    for row in changed["P"]:
        amounts = number(row["pa"]), positive(row["ep"])
        reports.append(ex.PositionReport(string(row["s"]), *amounts, *unsaid, row["mt"] == "isolated", ts_ns))
    return reports


def _book_frame(event: Row) -> Records:
    ids = whole(event["U"]), whole(event["u"]), whole(event["pu"])
    levels = numbers.levels(event["b"]), numbers.levels(event["a"])
    return [md.BookChange(string(event["s"]), *levels, *ids, False, ns(event["T"]))]


_FRAMES: Mapping[str, Callable[[Row], Records]] = {
    "trade": lambda event: [_print(event["s"], event, "t", "p", "q", "T", "m")] if number(event["q"]) else [],
    "bookTicker": lambda event: [md.BestQuote(
        string(event["s"]), number(event["b"]), number(event["B"]), number(event["a"]), number(event["A"]),
        whole(event["u"]), ns(event["T"]))],
    "depthUpdate": _book_frame,
    "markPriceUpdate": lambda event: [_mark(event, "s", "p", "i", "r", "T", "E")],
    "ORDER_TRADE_UPDATE": _order_frame,
    "ALGO_UPDATE": lambda event: [_algo_order({**calls.renamed(event["o"], _ALGO_KEYS), "updateTime": event["T"]})],
    "ACCOUNT_UPDATE": _account_frame,
    "ACCOUNT_CONFIG_UPDATE": lambda event: [_leverage(event["ac"], "s", "l")] if "ac" in event else [],
    "listenKeyExpired": lambda _: [ex.ReportsExpired()],
}  # fmt: skip


def _frame(event: Any) -> Records:
    event = event.get("data", event)  # a socket of combined streams puts each into an envelope
    if "e" in event:
        reader = _FRAMES.get(string(event["e"]))
        return reader(event) if reader else []
    words = string(event["error"]["msg"])[:WORDS_MAX] if "error" in event else ""
    return [md.FrameAnswer(whole(event["id"] or 0), "error" not in event, words)]


# The dialect ---------------------------------------------------------------------------------------------------------

_CAPABILITIES = Capabilities(
    can_amend_limits=True, can_amend_stops=False, has_oco=False, conditional_ids=True, expiry_min_s=EXPIRY_MIN_S,
    client_id_max=36, receive_window_ms=RECEIVE_WINDOW_MS, is_window_proven=True, reports_key_renewal_s=1_800,
    symbols_per_socket=STREAMS_PER_SOCKET, socket_age_max_s=86_400, limits=(md.VenueLimit(True, 300, 10),
        md.VenueLimit(True, 1_200, 60), md.VenueLimit(False, 2_400, 60, "x-mbx-used-weight-1m")),
)  # fmt: skip
_STREAMS: Mapping[str, Mapping[md.PublicStream, str]] = {
    "public": {md.PublicStream.TRADES: "@trade", md.PublicStream.QUOTES: "@bookTicker",
               md.PublicStream.BOOK: "@depth@100ms"},
    "market": {md.PublicStream.MARK: "@markPrice@1s"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BinanceUsdm:
    """The dialect of Binance USD-M futures; ``ports.venue.VenueDialect`` says what its methods are."""

    hosts: calls.Hosts = HOSTS
    name: str = "binance-usdm"
    venue: str = "binance"
    account_parts: tuple[str, ...] = tuple(_PARTS)
    capabilities: Capabilities = _CAPABILITIES

    def symbol_of(self, instrument: str) -> str:
        return calls.perp_symbol(self.venue, instrument)

    def instrument_of(self, symbol: str) -> str:
        return f"{self.venue}:{symbol}-perp"

    def encode(self, request: ex.Request | md.PublicRequest, now_ms: int, credentials: Credentials | None) -> HttpCall:
        asked, headers = _REQUESTS[type(request)].ask(request, now_ms), {}
        if asked.access != Access.PUBLIC:
            assert credentials is not None, "this request needs a key"
            headers["X-MBX-APIKEY"] = credentials.key
        if asked.access != Access.SIGNED or credentials is None:
            text = calls.query(asked.params)
        else:
            params = {"timestamp": str(now_ms), **asked.params, "recvWindow": str(RECEIVE_WINDOW_MS)}
            text = calls.signed_query(params, "signature", credentials.secret)
        path = asked.path if asked.path.startswith("/") else f"/fapi/v1/{asked.path}"
        return calls.form_call(asked, (self.hosts.spot if asked.is_spot else self.hosts.main) + path, text, headers)

    def decode(self, request: ex.Request | md.PublicRequest, answer: HttpAnswer) -> Records | ex.Failure:
        if not 200 <= answer.status < 300:
            return _refused(request, answer)
        body, kind = answer.body, type(request)
        return calls.guarded(lambda: _REQUESTS[kind].read(request, json.loads(body)), kind.__name__, len(body))

    def decode_frame(self, frame: bytes) -> Records | ex.Failure:
        return calls.guarded(lambda: _frame(json.loads(frame)), "frame", len(frame))

    def without_secrets(self, call: HttpCall) -> str:
        return calls.call_without_secrets(call)

    def market_sockets(self, kinds: Sequence[md.PublicStream], symbols: Sequence[str]) -> list[SocketPlan]:
        plans = []
        for route, of_route in _STREAMS.items():
            names = [symbol.lower() + of_route[kind] for kind in kinds if kind in of_route for symbol in symbols]
            for count, params in enumerate(calls.pieces(names, STREAMS_PER_SOCKET)):
                frame = json.dumps({"method": "SUBSCRIBE", "params": params, "id": 1})
                plans.append(SocketPlan(f"{route}-{count}", f"{self.hosts.sockets}/{route}/ws", ((1, frame),)))
        return plans

    def reports_socket(self, key: str) -> SocketPlan:
        return SocketPlan("reports", f"{self.hosts.sockets}/private/ws?listenKey={quote(key, safe='')}", ())

    def login_frame(self, now_ms: int, credentials: Credentials) -> tuple[int, str] | None:  # noqa: ARG002 - the port's
        return None

    def probe_frame(self, frame_id: int) -> str:
        return json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": frame_id})
