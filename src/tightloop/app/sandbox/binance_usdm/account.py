"""Endpoints of the account: money, positions, how it is set up, income, the key of the private stream."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

from tightloop.app.sandbox.binance_usdm import views
from tightloop.app.sandbox.binance_usdm.errors import Refuses, mandatory
from tightloop.app.sandbox.binance_usdm.params import Params
from tightloop.app.sandbox.binance_usdm.venue import Venue
from tightloop.app.sandbox.binance_usdm.views import Json, money, ms
from tightloop.app.sandbox.records import AccountPosition, Declined, No
from tightloop.model.times import DAY_NS

_DONE = {"code": 200, "msg": "success"}
_NOTIONAL_TOP = 1e15


def _figures(venue: Venue) -> Json:
    """Return the amounts of the account, without an asset's name."""
    exchange, ledger = venue.exchange, venue.exchange.ledger
    holdings = ledger.open_holdings()
    shared = [found for found in holdings if ledger.is_shared(found.symbol)]
    unrealised = sum(ledger.unrealised(found) for found in holdings)
    shared_unrealised = sum(ledger.unrealised(found) for found in shared)
    positions = sum(ledger.initial(found) for found in holdings)
    available = ledger.available(exchange.reserved)
    return {
        "wallet": money(ledger.wallet), "unrealised": money(unrealised), "margin": money(ledger.wallet + unrealised),
        "maintenance": money(sum(ledger.maintenance(found) for found in holdings)), "positions": money(positions),
        "orders": money(exchange.reserved), "initial": money(positions + exchange.reserved),
        "shared": money(ledger.shared), "shared_unrealised": money(shared_unrealised), "available": money(available),
    }  # fmt: skip


def get_account(venue: Venue, _params: Params) -> Json:
    """Return v3/account."""
    figures, exchange = _figures(venue), venue.exchange
    held = exchange.ledger.open_holdings()
    return {
        "totalInitialMargin": figures["initial"], "totalMaintMargin": figures["maintenance"],
        "totalWalletBalance": figures["wallet"], "totalUnrealizedProfit": figures["unrealised"],
        "totalMarginBalance": figures["margin"], "totalPositionInitialMargin": figures["positions"],
        "totalOpenOrderInitialMargin": figures["orders"], "totalCrossWalletBalance": figures["shared"],
        "totalCrossUnPnl": figures["shared_unrealised"], "availableBalance": figures["available"],
        "maxWithdrawAmount": figures["available"],
        "assets": [
            {
                "asset": "USDT", "walletBalance": figures["wallet"], "unrealizedProfit": figures["unrealised"],
                "marginBalance": figures["margin"], "maintMargin": figures["maintenance"],
                "initialMargin": figures["initial"], "positionInitialMargin": figures["positions"],
                "openOrderInitialMargin": figures["orders"], "crossWalletBalance": figures["shared"],
                "crossUnPnl": figures["shared_unrealised"], "availableBalance": figures["available"],
                "maxWithdrawAmount": figures["available"], "updateTime": ms(exchange.now_ns),
            }
        ],
        "positions": [_account_position(venue, holding) for holding in held],
    }  # fmt: skip


def _account_position(venue: Venue, holding: AccountPosition) -> Json:
    view = views.position_view(holding, venue.exchange.ledger)
    names = (
        "symbol", "positionSide", "positionAmt", "isolatedMargin", "notional", "isolatedWallet", "initialMargin",
        "maintMargin", "updateTime",
    )  # fmt: skip
    return {**{name: view[name] for name in names}, "unrealizedProfit": view["unRealizedProfit"]}


def get_balance(venue: Venue, _params: Params) -> list[Json]:
    """Return v2/balance."""
    figures = _figures(venue)
    return [
        {
            "accountAlias": venue.alias, "asset": "USDT", "balance": figures["wallet"],
            "crossWalletBalance": figures["shared"], "crossUnPnl": figures["shared_unrealised"],
            "availableBalance": figures["available"], "maxWithdrawAmount": figures["available"],
            "marginAvailable": True, "updateTime": ms(venue.exchange.now_ns),
        }
    ]  # fmt: skip


def get_positions(venue: Venue, params: Params) -> list[Json]:
    """Return v3/positionRisk: positions that are not flat."""
    symbol = None if params.text("symbol") is None else venue.board(params).listing.symbol
    ledger = venue.exchange.ledger
    found = [views.position_view(held, ledger) for held in ledger.open_holdings() if symbol in (None, held.symbol)]
    return cast("list[Json]", venue.snapshot("positionRisk", symbol, found))


def get_brackets(venue: Venue, params: Params) -> Any:
    """Return the tiers of margin, of a symbol or of all."""
    boards = [venue.board(params)] if params.text("symbol") else list(venue.exchange.boards.values())
    found = []
    for board in boards:
        floor, rows = 0.0, []
        for number, rule in enumerate(board.listing.tiers, 1):
            cap = min(rule.notional_max, _NOTIONAL_TOP)
            _, cumulated = board.listing.tier(cap)
            rows.append(
                {
                    "bracket": number, "initialLeverage": rule.leverage_max, "notionalCap": int(cap),
                    "notionalFloor": int(floor), "maintMarginRatio": rule.maintenance_rate, "cum": round(cumulated, 8),
                }
            )  # fmt: skip
            floor = cap
        found.append({"symbol": board.listing.symbol, "notionalCoef": 1.0, "brackets": rows})
    return found


def _most(venue: Venue, symbol: str, leverage: int) -> str:
    """Return the largest notional at a leverage."""
    tiers = venue.exchange.boards[symbol].listing.tiers
    allowed = [rule.notional_max for rule in tiers if rule.leverage_max >= leverage]
    return f"{min(max(allowed), _NOTIONAL_TOP):.0f}"


def post_leverage(venue: Venue, params: Params) -> Json:
    """Set the leverage of a symbol."""
    symbol, leverage = venue.board(params).listing.symbol, params.integer("leverage")
    if leverage is None:
        raise mandatory("leverage")
    venue.exchange.set_leverage(symbol, leverage)
    return {"leverage": leverage, "maxNotionalValue": _most(venue, symbol, leverage), "symbol": symbol}


def post_margin_type(venue: Venue, params: Params) -> Json:
    """Set shared (CROSSED) or isolated margin of a symbol."""
    symbol, kind = venue.board(params).listing.symbol, params.need("marginType").upper()
    if kind not in ("ISOLATED", "CROSSED"):
        raise Refuses(-1130, "Data sent for parameter 'marginType' is not valid.")
    try:
        venue.exchange.set_shared_margin(symbol, kind == "CROSSED")
    except Declined as declined:
        if declined.why is No.NO_CHANGE:
            raise Refuses(-4046, "No need to change margin type.") from None
        raise
    return _DONE


def get_hedge_mode(venue: Venue, _params: Params) -> Json:
    """Return whether a symbol has two positions."""
    return {"dualSidePosition": venue.exchange.ledger.settings.hedge_mode}


def post_hedge_mode(venue: Venue, params: Params) -> Json:
    """Set whether a symbol has two positions."""
    params.need("dualSidePosition")
    try:
        venue.exchange.set_hedge_mode(params.flag("dualSidePosition"))
    except Declined as declined:
        codes = {
            No.NO_CHANGE: (-4059, "No need to change position side."),
            No.HAS_POSITION: (-4068, "Position side cannot be changed if there exists position."),
            No.HAS_ORDERS: (-4067, "Position side cannot be changed if there exists open orders."),
        }
        raise Refuses(*codes[declined.why]) from None
    return _DONE


def get_multi_assets(venue: Venue, _params: Params) -> Json:
    """Return whether several assets count as margin."""
    return {"multiAssetsMargin": venue.exchange.ledger.settings.multi_assets}


def post_multi_assets(venue: Venue, params: Params) -> Json:
    """Set whether several assets count as margin."""
    params.need("multiAssetsMargin")
    wanted, settings = params.flag("multiAssetsMargin"), venue.exchange.ledger.settings
    if wanted == settings.multi_assets:
        raise Refuses(-4171, "No need to change the multi-assets mode.")
    settings.multi_assets = wanted
    return _DONE


def get_fee_burn(venue: Venue, _params: Params) -> Json:
    """Return whether fees are paid in another asset."""
    return {"feeBurn": venue.exchange.ledger.settings.fee_burn}


def post_fee_burn(venue: Venue, params: Params) -> Json:
    """Set whether fees are paid in another asset."""
    params.need("feeBurn")
    venue.exchange.ledger.settings.fee_burn = params.flag("feeBurn")
    return _DONE


def get_symbol_config(venue: Venue, params: Params) -> list[Json]:
    """Return margin type and leverage, of a symbol or of all."""
    symbols = [venue.board(params).listing.symbol] if params.text("symbol") else list(venue.exchange.boards)
    ledger = venue.exchange.ledger
    return [
        {
            "symbol": symbol, "marginType": "CROSSED" if ledger.is_shared(symbol) else "ISOLATED",
            "isAutoAddMargin": False, "leverage": ledger.leverage(symbol),
            "maxNotionalValue": _most(venue, symbol, ledger.leverage(symbol)),
        }
        for symbol in symbols
    ]  # fmt: skip


def get_account_config(venue: Venue, _params: Params) -> Json:
    """Return how the account is set up."""
    settings = venue.exchange.ledger.settings
    return {
        "feeTier": 0, "canTrade": settings.can_trade, "canDeposit": True, "canWithdraw": True,
        "dualSidePosition": settings.hedge_mode, "updateTime": 0, "multiAssetsMargin": settings.multi_assets,
        "tradeGroupId": -1,
    }  # fmt: skip


def get_restrictions(venue: Venue, _params: Params) -> Json:
    """Return what the key may do (of the spot host, which the twin serves too)."""
    settings = venue.exchange.ledger.settings
    return {
        "ipRestrict": False, "createTime": ms(venue.exchange.market.start_ns), "enableReading": True,
        "enableWithdrawals": settings.can_withdraw, "enableInternalTransfer": settings.can_withdraw,
        "permitsUniversalTransfer": False, "enableVanillaOptions": False, "enableFutures": settings.can_trade,
        "enableMargin": False, "enableSpotAndMarginTrading": False, "enablePortfolioMarginTrading": False,
        "enableFixApiTrade": False, "enableFixReadOnly": False,
    }  # fmt: skip


def get_commission(venue: Venue, params: Params) -> Json:
    """Return the fees of a symbol."""
    listing = venue.board(params).listing
    return {
        "symbol": listing.symbol, "makerCommissionRate": f"{listing.maker_rate:.6f}",
        "takerCommissionRate": f"{listing.taker_rate:.6f}", "rpiCommissionRate": "0.000000",
    }  # fmt: skip


def get_income(venue: Venue, params: Params) -> list[Json]:
    """Return what changed the wallet, ascending."""
    symbol, kind = params.text("symbol"), params.text("incomeType")
    start_ns, end_ns = params.ns("startTime"), params.ns("endTime")
    now_ns = venue.exchange.now_ns
    low = now_ns - 7 * DAY_NS if start_ns is None and end_ns is None else start_ns or 0
    high = now_ns if end_ns is None else end_ns + 999_999
    found = [
        income
        for income in venue.exchange.ledger.incomes
        if low <= income.ts_ns <= high and symbol in (None, income.symbol) and kind in (None, income.kind)
    ]
    rows, page = params.count("limit", 100, 1_000), params.count("page", 1, 1_000_000)
    return [
        {
            "symbol": income.symbol, "incomeType": income.kind, "income": money(income.amount), "asset": "USDT",
            "info": "" if income.trade_id is None else str(income.trade_id), "time": ms(income.ts_ns),
            "tranId": income.number, "tradeId": "" if income.trade_id is None else str(income.trade_id),
        }
        for income in found[(page - 1) * rows : page * rows]
    ]  # fmt: skip


def post_listen_key(venue: Venue, _params: Params) -> Json:
    """Return the key of the private stream."""
    return {"listenKey": venue.open_listen_key()}


def put_listen_key(venue: Venue, _params: Params) -> Json:
    """Keep the key of the private stream alive."""
    venue.drop_listen_keys()
    if not venue.listen_keys:
        raise Refuses(-1125, "This listenKey does not exist.")
    return {"listenKey": venue.open_listen_key()}


def delete_listen_key(venue: Venue, _params: Params) -> Json:
    """Close the private stream."""
    venue.listen_keys.clear()
    return {}


ACCOUNT_ENDPOINTS: Mapping[str, Callable[[Venue, Params], Any]] = MappingProxyType(
    {
        "GET account": get_account,
        "GET balance": get_balance,
        "GET positionRisk": get_positions,
        "GET leverageBracket": get_brackets,
        "POST leverage": post_leverage,
        "POST marginType": post_margin_type,
        "GET positionSide/dual": get_hedge_mode,
        "POST positionSide/dual": post_hedge_mode,
        "GET multiAssetsMargin": get_multi_assets,
        "POST multiAssetsMargin": post_multi_assets,
        "GET feeBurn": get_fee_burn,
        "POST feeBurn": post_fee_burn,
        "GET symbolConfig": get_symbol_config,
        "GET accountConfig": get_account_config,
        "GET account/apiRestrictions": get_restrictions,
        "GET commissionRate": get_commission,
        "GET income": get_income,
        "POST listenKey": post_listen_key,
        "PUT listenKey": put_listen_key,
        "DELETE listenKey": delete_listen_key,
    }
)
"""What answers "METHOD name"."""
