"""The dialect of Binance USD-M: calls as an independent client signs them, bytes as records or a typed failure."""

import json
import math
import random
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import ccxt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.adapters.venues import spoken

from tightloop.adapters.venues._shared.numbers import DIGITS_MAX
from tightloop.adapters.venues.binance_usdm import BinanceUsdm
from tightloop.core.domain.enums import OrderKind, OrderState, Side, TimeInForce, Trigger
from tightloop.model.errors import InputError
from tightloop.ports import execution as ex
from tightloop.ports import market_data as md
from tightloop.ports.transport import HttpAnswer, Lane
from tightloop.ports.venue import Credentials, VenueDialect

FIXTURES = Path(__file__).parents[2] / "fixtures" / "binance_usdm"
KEY, SECRET = "k" * 64, "s" * 64
CREDENTIALS = Credentials(KEY, SECRET)
NOW_MS = 1_764_000_000_123
VENUE: VenueDialect = BinanceUsdm()


def order(**changed):
    fields = {
        "client_id": "tlabc123001000000000000a1", "symbol": "BTCUSDT", "side": Side.BUY, "kind": OrderKind.LIMIT,
        "tif": TimeInForce.GTC, "qty": 0.002, "price": 64_000.1, "stop_price": math.nan, "trigger": Trigger.LAST,
        "is_reduce_only": False, "is_post_only": False,
    }  # fmt: skip
    return ex.SubmitOrder(**{**fields, **changed})


def params(call):
    return dict(parse_qsl(urlsplit(call.url).query or call.body.decode()))


def answered(request, body, status=200, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return VENUE.decode(request, HttpAnswer(status, headers or {}, raw))


def frame(name):
    return VENUE.decode_frame((FIXTURES / f"{name}.json").read_bytes())


# Calls ---------------------------------------------------------------------------------------------------------------


def random_signed_requests(seed, count):
    draw = random.Random(seed)
    for _ in range(count):
        symbol = draw.choice(["BTCUSDT", "1000PEPEUSDT", "币安人生USDT"])
        client_id = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz0123456789._-:/", k=draw.randint(1, 36)))
        qty, price = draw.randint(1, 10**7) * 10.0 ** -draw.randint(0, 8), draw.randint(1, 10**8) * 0.01
        since_ns = draw.randint(1, 2**60)
        is_conditional = draw.random() < 0.5
        kind = draw.choice([OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP, OrderKind.STOP_LIMIT])
        submit = ex.SubmitOrder(
            client_id, symbol, draw.choice(list(Side)), kind, draw.choice(list(TimeInForce)), qty, price, price * 0.9,
            draw.choice(list(Trigger)), draw.random() < 0.5, draw.random() < 0.2, draw.choice([0, 2**60]),
        )  # fmt: skip
        yield draw.choice([
            submit, ex.TryOrder(submit), ex.CancelOrder(client_id, symbol, is_conditional),
            ex.AmendOrder(client_id, symbol, Side.SELL, qty, price), ex.LookUpOrder(client_id, symbol, is_conditional),
            ex.LookUpOrder(client_id, symbol, is_conditional, str(draw.randint(1, 2**62))),
            ex.ListOpenOrders(is_conditional), ex.ListOrders(symbol, since_ns, is_conditional),
            ex.ListFills(symbol, since_ns), ex.ListIncome(since_ns), ex.ListPositions(), ex.ReadWallet(),
            *(ex.ReadAccountMode(part) for part in VENUE.account_parts), ex.SetLeverage(symbol, draw.randint(1, 125)),
            ex.SetIsolatedMargin(symbol), md.ListMarginTiers(symbol),
        ])  # fmt: skip


def ccxt_api(path):
    for prefix, api in (("/fapi/v1/", "fapiPrivate"), ("/fapi/v2/", "fapiPrivateV2"), ("/fapi/v3/", "fapiPrivateV3")):
        if path.startswith(prefix):
            return path.removeprefix(prefix), api
    return path.removeprefix("/sapi/v1/"), "sapi"


class Oracle:
    """ccxt, at a time that is given; one for all tests, because making it takes a second."""

    def __init__(self):
        self.now_ms = NOW_MS
        self.client = ccxt.binanceusdm({"apiKey": KEY, "secret": SECRET, "options": {"recvWindow": 5_000}})
        self.client.nonce = lambda: self.now_ms

    def agrees(self, request, now_ms, credentials=CREDENTIALS):
        """Assert that it signs the parameters of a call to the same bytes; return method and path."""
        self.now_ms, self.client.apiKey, self.client.secret = now_ms, credentials.key, credentials.secret
        call = VENUE.encode(request, now_ms, credentials)
        asked = {
            key: value for key, value in params(call).items() if key not in ("timestamp", "recvWindow", "signature")
        }
        path, api = ccxt_api(urlsplit(call.url).path)
        signed = self.client.sign(path, [api], call.method, asked)
        assert call.url == signed["url"]
        assert call.body.decode() == (signed["body"] or "")
        assert dict(call.headers) == signed["headers"]
        return call.method, path


@pytest.fixture(scope="module")
def oracle():
    return Oracle()


def test_a_thousand_signed_requests_are_byte_for_byte_those_of_ccxt(oracle):
    seen = {
        (type(request), *oracle.agrees(request, NOW_MS + 7 * number))
        for number, request in enumerate(random_signed_requests(12, 1_000))
    }
    assert len(seen) == 25  # of each kind of request, and of orders and algo orders apart


@given(
    seed=st.integers(0, 2**32), now_ms=st.integers(1_500_000_000_000, 4_000_000_000_000),
    key=st.text("abcXYZ0189", min_size=1, max_size=64), secret=st.text(min_size=1, max_size=64).filter(str.isprintable),
)  # fmt: skip
@settings(max_examples=1_000, deadline=None)
def test_a_request_of_any_account_at_any_time_is_byte_for_byte_that_of_ccxt(oracle, seed, now_ms, key, secret):
    (request,) = random_signed_requests(seed, 1)
    oracle.agrees(request, now_ms, Credentials(key, secret))


def test_income_is_of_a_kind_and_keeps_the_word_of_the_venue():
    words = {
        "FUNDING_FEE": ex.IncomeKind.FUNDING, "REALIZED_PNL": ex.IncomeKind.OF_FILLS,
        "COMMISSION": ex.IncomeKind.OF_FILLS, "COIN_SWAP_DEPOSIT": ex.IncomeKind.DEPOSIT,
        "COIN_SWAP_WITHDRAW": ex.IncomeKind.WITHDRAWAL, "INTERNAL_TRANSFER": ex.IncomeKind.TRANSFER,
        "REFERRAL_KICKBACK": ex.IncomeKind.OTHER,
    }  # fmt: skip
    rows = [
        {"incomeType": word, "symbol": "", "asset": "USDT", "income": "-0.5", "tranId": at, "time": NOW_MS}
        for at, word in enumerate(words)
    ]
    found = VENUE.decode(ex.ListIncome(0), HttpAnswer(200, {}, json.dumps(rows).encode()))
    assert [(one.word, one.kind) for one in found] == list(words.items())


def test_public_calls_carry_no_key():
    for request in (
        md.ListInstruments(), md.ListBars("BTCUSDT", "1m", 0, 6 * 10**10, 500), md.ListRecentTrades("BTCUSDT", 9),
        md.ListAggregates("BTCUSDT", 7, 0, 0, 1_000), md.ListFundingRates("BTCUSDT", 0, 10**18, 1_000),
        md.ReadMark("BTCUSDT"), md.ReadBook("BTCUSDT", 1_000), ex.ReadServerTime(),
    ):  # fmt: skip
        call = VENUE.encode(request, NOW_MS, None)
        assert call.method == "GET"
        assert not call.headers
        assert "signature" not in call.url
        assert call.url.startswith("https://fapi.binance.com/fapi/v1/")


def test_a_window_ends_before_its_end():
    call = VENUE.encode(md.ListBars("BTCUSDT", "1m", 60_000_000_000, 180_000_000_000, 1_000), NOW_MS, None)
    assert params(call) == {
        "symbol": "BTCUSDT", "interval": "1m", "startTime": "60000", "endTime": "179999", "limit": "1000",
    }  # fmt: skip
    spot = VENUE.encode(md.ListBars("BTCUSDT", "1m", 0, 60_000_000_000, 1_000, is_spot=True), NOW_MS, None)
    assert spot.url.startswith("https://api.binance.com/api/v3/klines?")


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, {"timeInForce": "GTC", "type": "LIMIT", "price": "64000.1", "quantity": "0.002"}),
        ({"is_post_only": True}, {"timeInForce": "GTX"}),
        ({"tif": TimeInForce.IOC, "expires_ns": NOW_MS * 10**6 + 5}, {"timeInForce": "IOC"}),
        ({"tif": TimeInForce.FOK}, {"timeInForce": "FOK"}),
        ({"tif": TimeInForce.GTT, "expires_ns": (NOW_MS + 60_000) * 10**6}, {"goodTillDate": "1764000611000"}),
        ({"expires_ns": 1_764_009_000_400 * 10**6}, {"timeInForce": "GTD", "goodTillDate": "1764009001000"}),
        (
            {"kind": OrderKind.MARKET, "price": math.nan, "is_reduce_only": True},
            {"type": "MARKET", "reduceOnly": "true"},
        ),
        (
            {"kind": OrderKind.STOP, "price": math.nan, "stop_price": 60_000.0, "is_reduce_only": True},
            {
                "algoType": "CONDITIONAL",
                "type": "STOP_MARKET",
                "triggerPrice": "60000",
                "workingType": "CONTRACT_PRICE",
            },
        ),
        ({"kind": OrderKind.STOP, "stop_price": 1.0, "trigger": Trigger.MARK}, {"workingType": "MARK_PRICE"}),
    ],
)
def test_orders_are_asked_for_in_the_venues_words(changed, wanted):
    asked = params(VENUE.encode(order(**changed), NOW_MS, CREDENTIALS))
    assert {key: asked.get(key) for key in wanted} == wanted


def test_an_order_that_ends_may_not_end_sooner_than_the_venue_allows():
    soon = order(tif=TimeInForce.GTT, expires_ns=(NOW_MS + 1) * 10**6)
    ends_ms = int(params(VENUE.encode(soon, NOW_MS, CREDENTIALS))["goodTillDate"])
    assert ends_ms >= NOW_MS + 610_000
    assert ends_ms % 1_000 == 0


def test_a_market_order_names_no_price_and_a_stop_no_position():
    assert "price" not in params(VENUE.encode(order(kind=OrderKind.MARKET), NOW_MS, CREDENTIALS))
    stop = params(VENUE.encode(order(kind=OrderKind.STOP, stop_price=1.0), NOW_MS, CREDENTIALS))
    assert stop["clientAlgoId"] == order().client_id
    assert "closePosition" not in stop


def test_exits_and_lookups_go_first():
    lanes = {
        Lane.EXIT: [order(is_reduce_only=True), ex.LookUpOrder("a", "BTCUSDT", False), ex.ReadServerTime()],
        Lane.CANCEL: [ex.CancelOrder("a", "BTCUSDT", True)],
        Lane.ENTRY: [order()],
        Lane.QUERY: [ex.ListPositions(), ex.TryOrder(order(is_reduce_only=True))],
    }
    for lane, requests in lanes.items():
        assert {VENUE.encode(request, NOW_MS, CREDENTIALS).lane for request in requests} == {lane}


def test_no_secret_is_shown():
    call = VENUE.encode(order(), NOW_MS, CREDENTIALS)
    line = VENUE.without_secrets(call)
    signature = params(call)["signature"]
    private = VENUE.reports_socket("listen-me"), ex.ReportsKey("listen-me")
    shown = f"{CREDENTIALS!r} {CREDENTIALS} {call!r} {line} {private!r}"
    for secret in (KEY, SECRET, signature, "listen-me"):
        assert secret not in shown
    assert line.startswith("POST /fapi/v1/order?timestamp=1764000000123&symbol=BTCUSDT&")
    with pytest.raises(AssertionError) as raised:
        VENUE.encode(order(kind=OrderKind.TRAILING), NOW_MS, CREDENTIALS)
    assert SECRET not in str(raised.value)


def test_symbols_are_those_of_perpetuals_of_the_venue():
    assert VENUE.symbol_of("binance:BTCUSDT-perp") == "BTCUSDT"
    assert VENUE.instrument_of("BTCUSDT") == "binance:BTCUSDT-perp"
    for wrong in ("binance:BTCUSDT-spot", "mexc:BTC_USDT-perp", "BTCUSDT"):
        with pytest.raises(InputError):
            VENUE.symbol_of(wrong)


def test_sockets_stand_where_the_venue_has_its_streams():
    kinds = [md.PublicStream.TRADES, md.PublicStream.MARK]
    public, market = VENUE.market_sockets(kinds, ["BTCUSDT", "ETHUSDT"])
    assert public.url == "wss://fstream.binance.com/public/ws"
    assert market.url == "wss://fstream.binance.com/market/ws"
    assert json.loads(public.subscriptions[0][1])["params"] == ["btcusdt@trade", "ethusdt@trade"]
    many = VENUE.market_sockets([md.PublicStream.TRADES], [f"C{n}USDT" for n in range(450)])
    assert [len(json.loads(plan.subscriptions[0][1])["params"]) for plan in many] == [200, 200, 50]
    assert len({plan.name for plan in many}) == 3
    assert VENUE.reports_socket("a/b").url == "wss://fstream.binance.com/private/ws?listenKey=a%2Fb"


# Frames --------------------------------------------------------------------------------------------------------------


def test_market_frames_are_read():
    assert frame("trade") == [md.Print("BTCUSDT", 64_000.1, 0.01, 7_012_345, True, 1_764_000_000_100_000_000)]
    assert frame("bookTicker") == [
        md.BestQuote("BTCUSDT", 64_000.0, 2.5, 64_000.1, 1.25, 400_900_217, 1_764_000_000_100_000_000)
    ]
    assert frame("depthUpdate") == [
        md.BookChange(
            "BTCUSDT", ((64_000.0, 2.5), (63_999.9, 0.0)), ((64_000.1, 1.25),), 390_497_796, 390_497_878, 390_497_794,
            False, 1_764_000_000_100_000_000,
        )
    ]  # fmt: skip
    assert frame("markPriceUpdate") == [
        md.VenueMark("BTCUSDT", 64_010.5, 64_011.25, 0.0001, 1_764_028_800_000_000_000, 1_764_000_000_200_000_000)
    ]


def test_a_fill_comes_before_the_state_of_its_order():
    fill, seen = frame("order_filled_in_part")
    assert (fill.qty, fill.cum_qty, fill.order_qty, fill.price, fill.fee) == (0.001, 0.001, 0.002, 64_000.1, 0.0256)
    assert (fill.trade_id, fill.fee_asset, fill.is_maker, fill.origin) == ("88", "USDT", False, ex.FillOrigin.ORDER)
    assert (seen.state, seen.cum_qty, seen.client_id) == (
        OrderState.PARTIALLY_FILLED,
        0.001,
        "tlabc123001000000000000a1",
    )
    assert not seen.is_conditional


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("order_liquidated", ex.FillOrigin.LIQUIDATION),
        ("order_adl", ex.FillOrigin.ADL),
        ("order_delisted", ex.FillOrigin.DELISTING),
    ],
)
def test_the_venues_orders_are_known_by_their_names(name, origin):
    assert frame(name)[0].origin is origin


@pytest.mark.parametrize("status", ["NEW_INSURANCE", "NEW_ADL", "EXPIRED_IN_MATCH"])
def test_a_fill_is_read_whatever_word_the_venue_has_for_its_order(status):
    event = json.loads((FIXTURES / "order_liquidated.json").read_bytes())
    event["o"]["X"] = status
    fill, _ = VENUE.decode_frame(json.dumps(event).encode())
    assert (fill.qty, fill.origin) == (0.002, ex.FillOrigin.LIQUIDATION)


def test_a_reduce_only_order_that_was_knocked_out_says_so():
    (seen,) = frame("order_knocked_out")
    assert (seen.state, seen.reason) == (OrderState.EXPIRED, ex.RefusalKind.NOTHING_TO_REDUCE)


def test_a_stop_is_followed_by_the_order_that_its_trigger_sent():
    (resting,) = frame("algo_new")
    assert (resting.state, resting.stop_price, resting.is_conditional, resting.triggered_id) == (
        OrderState.ACCEPTED, 60_000.0, True, "",
    )  # fmt: skip
    (triggered,) = frame("algo_triggered")
    assert (triggered.client_id, triggered.triggered_id) == (resting.client_id, "4000099")
    (rejected,) = frame("algo_rejected")
    assert (rejected.state, rejected.reason) == (OrderState.REJECTED, ex.RefusalKind.NOTHING_TO_REDUCE)
    (finished,) = frame("algo_finished")
    assert (finished.state, finished.cum_qty, finished.avg_price) == (OrderState.FILLED, 0.002, 59_990.0)


def test_an_account_frame_has_wallets_and_positions_but_no_amount_of_funding():
    wallet, position = frame("account_funding")
    assert (wallet.asset, wallet.wallet, wallet.is_of_orders) == ("USDT", 9_999.5, False)
    of_orders = (FIXTURES / "account_funding.json").read_bytes().replace(b"FUNDING_FEE", b"ORDER")
    assert VENUE.decode_frame(of_orders)[0].is_of_orders
    assert math.isnan(wallet.available)
    assert (position.qty, position.entry_price, position.is_isolated) == (-0.002, 64_000.1, True)
    assert math.isnan(position.mark)


def test_frames_that_say_nothing_new_are_left_out():
    assert frame("trade_lite") == []
    assert VENUE.decode_frame(b'{"e":"somethingNew","E":1}') == []
    assert frame("listen_key_expired") == [ex.ReportsExpired()]
    assert VENUE.decode_frame(b'{"result":null,"id":1}') == [md.FrameAnswer(1, True)]
    assert VENUE.decode_frame(b'{"error":{"code":2,"msg":"Invalid request"},"id":3}') == [
        md.FrameAnswer(3, False, "Invalid request")
    ]
    assert VENUE.decode_frame(b'{"stream":"x","data":' + (FIXTURES / "trade.json").read_bytes() + b"}") == frame(
        "trade"
    )


# Answers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (400, -2019, ex.RefusedByVenue(ex.RefusalKind.MARGIN, -2019, "words")),
        (400, -2022, ex.RefusedByVenue(ex.RefusalKind.NOTHING_TO_REDUCE, -2022, "words")),
        (400, -2021, ex.RefusedByVenue(ex.RefusalKind.WOULD_TRIGGER, -2021, "words")),
        (400, -5022, ex.RefusedByVenue(ex.RefusalKind.WOULD_TAKE, -5022, "words")),
        (400, -4005, ex.RefusedByVenue(ex.RefusalKind.RULES, -4005, "words")),
        (400, -4131, ex.RefusedByVenue(ex.RefusalKind.RULES, -4131, "words")),
        (400, -4164, ex.RefusedByVenue(ex.RefusalKind.RULES, -4164, "words")),
        (400, -4116, ex.RefusedByVenue(ex.RefusalKind.ID_REPEATED, -4116, "words")),
        (400, -4120, ex.RefusedByVenue(ex.RefusalKind.OTHER, -4120, "words")),
        (400, -2011, ex.NoSuchOrder(-2011, "words")),
        (400, -2013, ex.NoSuchOrder(-2013, "words")),
        (400, -1021, ex.ClockRefused(-1021, "words")),
        (400, -5028, ex.ClockRefused(-5028, "words")),
        (400, -1022, ex.NotAuthorized(-1022, "words", ex.KeyFault.SIGNATURE)),
        (401, -2015, ex.NotAuthorized(-2015, "words")),
        (400, -1006, ex.OutcomeUnknown(-1006, "words")),
        (408, -1007, ex.OutcomeUnknown(-1007, "words")),
        (503, -1000, ex.OutcomeUnknown(-1000, "words")),
        (500, -9, ex.OutcomeUnknown(-9, "words")),
        (503, -1008, ex.Overloaded(-1008, "words")),
        (400, -1015, ex.RateLimited(10.0, False, "words")),
        (429, -1003, ex.RateLimited(60.0, False, "words")),
    ],
)
def test_refusals_are_told_apart(status, code, failure):
    assert answered(order(), {"code": code, "msg": "words"}, status) == failure


def test_limits_name_the_wait():
    assert answered(order(), {"code": -1003, "msg": "m"}, 429, {"retry-after": "7"}) == ex.RateLimited(7.0, False, "m")
    assert answered(order(), {"code": -1003, "msg": "m"}, 418, {"retry-after": "300"}) == ex.RateLimited(
        300.0, True, "m"
    )
    assert answered(order(), b"<html>", 418) == ex.RateLimited(120.0, True, "<html>")
    assert answered(order(), b"<html>", 403) == ex.RateLimited(60.0, False, "<html>")


def test_an_answer_cut_short_is_no_answer():
    assert isinstance(answered(order(), b'{"orderId": 12'), ex.Malformed)
    assert isinstance(answered(order(), b"<html>", 502), ex.OutcomeUnknown)
    assert answered(order(), b"Service Unavailable.", 503) == ex.Overloaded(0, "Service Unavailable.")
    assert isinstance(answered(order(), b"<html>", 404), ex.Malformed)


def test_what_is_as_it_was_asked_for_is_no_failure():
    assert answered(ex.SetIsolatedMargin("BTCUSDT"), {"code": -4046, "msg": "No need"}, 400) == []
    assert answered(ex.OpenReports(True), {"code": -1125, "msg": "This listenKey does not exist."}, 400) == [
        ex.ReportsExpired()
    ]
    canceled = answered(
        ex.CancelOrder("a", "BTCUSDT", True), {"algoId": 1, "clientAlgoId": "a", "code": "200", "msg": "success"}
    )
    assert canceled == []


def test_orders_of_rest_are_read():
    row = json.loads((FIXTURES / "rest_order.json").read_bytes())
    (seen,) = answered(order(), row)
    assert (seen.state, seen.qty, seen.cum_qty, seen.price, seen.venue_order_id) == (
        OrderState.ACCEPTED, 0.002, 0.0, 64_000.1, "4000001",
    )  # fmt: skip
    assert math.isnan(seen.avg_price)
    assert math.isnan(seen.stop_price)
    (unfilled,) = answered(order(), {**row, "status": "EXPIRED", "timeInForce": "IOC"})
    assert unfilled.reason is ex.RefusalKind.UNFILLED
    (algo,) = answered(
        ex.LookUpOrder("a", "BTCUSDT", True), json.loads((FIXTURES / "rest_algo_order.json").read_bytes())
    )
    assert (algo.is_conditional, algo.state, algo.cum_qty, algo.triggered_id) == (True, OrderState.ACCEPTED, 0.0, "")


def test_what_a_triggered_stop_filled_is_not_said_by_rest():
    row = json.loads((FIXTURES / "rest_algo_order.json").read_bytes())
    (algo,) = answered(
        ex.LookUpOrder("a", "BTCUSDT", True), {**row, "algoStatus": "FINISHED", "actualOrderId": "4000099"}
    )
    assert (algo.state, algo.triggered_id) == (OrderState.CANCELED, "4000099")
    assert math.isnan(algo.cum_qty)


def test_instruments_and_limits_are_listed():
    listed = answered(md.ListInstruments(), (FIXTURES / "exchange_info.json").read_bytes())
    limits = [row for row in listed if isinstance(row, md.VenueLimit)]
    (btc,) = [row for row in listed if isinstance(row, md.ListedInstrument)]
    assert limits == [md.VenueLimit(False, 2_400, 60), md.VenueLimit(True, 1_200, 60), md.VenueLimit(True, 300, 10)]
    assert (btc.symbol, btc.is_trading, btc.price_increment, btc.lot_size) == ("BTCUSDT", True, 0.1, 0.001)
    assert (btc.qty_max, btc.market_qty_max, btc.min_notional) == (1_000.0, 120.0, 100.0)
    assert (btc.price_band_up, btc.price_band_down, btc.settle_asset) == (1.05, 0.95, "USDT")


def test_a_bar_is_closed_once_another_follows():
    rows = [
        [60_000 * n, "1.0", "2.0", "0.5", "1.5", "10", 60_000 * n + 59_999, "0", 3, "0", "0", "0"] for n in range(3)
    ]
    bars = answered(md.ListBars("BTCUSDT", "1m", 0, 10**12, 3), rows)
    assert [bar.is_closed for bar in bars] == [True, True, False]
    assert (bars[1].open_ns, bars[1].close_ns, bars[1].high, bars[1].volume) == (6 * 10**10, 12 * 10**10, 2.0, 10.0)


def test_the_account_is_asked_part_by_part():
    answers = {
        "hedge_mode": {"dualSidePosition": False},
        "multi_assets": {"multiAssetsMargin": True},
        "fee_burn": {"feeBurn": False},
        "symbols": [{"symbol": "BTCUSDT", "marginType": "ISOLATED", "isAutoAddMargin": False, "leverage": 5}],
        "account": [{"accountAlias": "SgsR", "asset": "USDT"}],
        "key": {"enableWithdrawals": True, "enableFutures": True, "ipRestrict": False},
    }
    assert set(answers) == set(VENUE.account_parts)
    told = {part: answered(ex.ReadAccountMode(part), body) for part, body in answers.items()}
    assert told["hedge_mode"] == [ex.AccountMode("hedge_mode", False)]
    assert told["multi_assets"] == [ex.AccountMode("multi_assets", True)]
    assert told["symbols"] == [
        ex.AccountMode("isolated", True, "BTCUSDT"), ex.AccountMode("leverage", "5", "BTCUSDT"),
    ]  # fmt: skip
    assert told["account"] == [ex.AccountMode("account", "SgsR")]
    assert told["key"] == [ex.AccountMode("withdrawals", True), ex.AccountMode("futures", True)]


# Any bytes -----------------------------------------------------------------------------------------------------------

REQUESTS = [
    *{type(request): request for request in random_signed_requests(1, 400)}.values(),
    *(ex.ReadAccountMode(part) for part in VENUE.account_parts), ex.ReadServerTime(), ex.OpenReports(False),
    md.ListInstruments(), md.ListMarginTiers(), md.ListBars("BTCUSDT", "1m", 0, 1, 1), md.ReadMark("BTCUSDT"),
    md.ListAggregates("BTCUSDT", -1, 0, 1, 1), md.ListRecentTrades("BTCUSDT", 1), md.ReadBook("BTCUSDT", 5),
    md.ListFundingRates("BTCUSDT", 0, 1, 1),
]  # fmt: skip
RECORDED = {path.stem: json.loads(path.read_bytes()) for path in sorted(FIXTURES.glob("*.json"))}
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["0", "1.5", "NEW", "FILLED", "BUY", "trade", "NaN", "1e999", "TRADE", 10**30, -1, NOW_MS])
)  # fmt: skip
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KNOWN = (*ex.Report.__args__, *md.Market.__args__)
FAILURES = ex.Failure.__args__


def bent(tree, draw):
    """Return a recorded tree with one place of it replaced or removed."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(tree)))
        if not draw(st.integers(0, 4)):
            return {name: value for name, value in tree.items() if name != key}
        return {**tree, key: bent(tree[key], draw)}
    if isinstance(tree, list) and tree and draw(st.integers(0, 4)):
        at = draw(st.integers(0, len(tree) - 1))
        return [*tree[:at], bent(tree[at], draw), *tree[at + 1 :]]
    return draw(NESTED)


def check(result):
    assert isinstance(result, FAILURES) or all(isinstance(record, KNOWN) for record in result), result


@given(
    raw=st.binary(max_size=200) | NESTED.map(lambda tree: json.dumps(tree).encode()),
    status=st.sampled_from([200, 400, 418, 500]),
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_records_or_a_typed_failure(raw, status):
    check(VENUE.decode_frame(raw))
    for request in REQUESTS:
        check(VENUE.decode(request, HttpAnswer(status, {}, raw)))


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_recorded_bytes_bent_at_one_place_are_records_or_a_typed_failure(data):
    name = data.draw(st.sampled_from(sorted(RECORDED)))
    raw = json.dumps(bent(RECORDED[name], data.draw)).encode()
    check(VENUE.decode_frame(raw))
    for request in REQUESTS:
        check(VENUE.decode(request, HttpAnswer(200, {}, raw)))


def test_the_twin_answers_each_kind_of_request_with_what_is_bent_below():
    for request, answer in spoken.answers():
        assert isinstance(VENUE.decode(request, answer), list), (request, answer)
    assert {type(request) for request, _ in spoken.answers()} >= {type(request) for request in REQUESTS}


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_an_answer_bent_at_one_place_is_records_or_a_typed_failure(data):
    request, answer = data.draw(st.sampled_from(spoken.answers()))
    raw = json.dumps(bent(json.loads(answer.body), data.draw)).encode()
    check(VENUE.decode(request, HttpAnswer(answer.status, {}, raw)))


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b'{"e":' + b"[" * 100_000, b"1" * 10_000, b'{"e":NaN}', b"\xff\xfe{", b""]
)
def test_hostile_bytes_are_a_typed_failure(raw):
    assert isinstance(VENUE.decode_frame(raw), ex.Malformed)
    check(VENUE.decode(order(), HttpAnswer(200, {}, raw)))


DECIMALS = st.decimals(min_value=0, max_value=10**15, places=8) | st.decimals(min_value=0, max_value=1, places=30)


@given(text=DECIMALS.map(lambda value: format(value, "f")))
@example(text="0.00000001")
@example(text="1e-8")
@example(text="1000000000000000")
@example(text="1e15")
@example(text="123456789012345678901234567890")
@example(text="0.123456789012345678901234567890")
@example(text="999999999999999.999999999999999")
def test_decimal_strings_survive(text):
    event = {**RECORDED["trade"], "p": text, "q": "1"}
    (seen,) = VENUE.decode_frame(json.dumps(event).encode())
    assert seen.price == float(text), "the float64 nearest to it"
    (row,) = VENUE.decode(
        md.ListRecentTrades("BTCUSDT", 1),
        HttpAnswer(
            200, {}, json.dumps([{"id": 1, "price": text, "qty": text, "time": 1, "isBuyerMaker": True}]).encode()
        ),
    )
    assert row.price == row.qty == seen.price
    digits = Decimal(text).normalize()
    if len(digits.as_tuple().digits) <= DIGITS_MAX and digits:
        call = VENUE.encode(order(qty=row.qty, price=row.price), NOW_MS, CREDENTIALS)
        assert Decimal(params(call)["price"]) == digits, "what came in goes out"
