"""Requests of Binance USD-M answered by the exchange: who may ask, what it costs, which endpoint, which faults.

``BinanceTwin.respond`` is all of it: bytes in, bytes out, at a time that is passed in. It changes nothing but the
exchange and its counts, so a simulation calls it without a network.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from tightloop.app.sandbox.binance_usdm import limits
from tightloop.app.sandbox.binance_usdm.account import ACCOUNT_ENDPOINTS
from tightloop.app.sandbox.binance_usdm.errors import Refuses, mandatory, refusal, unknown
from tightloop.app.sandbox.binance_usdm.params import Params
from tightloop.app.sandbox.binance_usdm.public import PUBLIC_ENDPOINTS
from tightloop.app.sandbox.binance_usdm.streams import Streams
from tightloop.app.sandbox.binance_usdm.trading import TRADING_ENDPOINTS
from tightloop.app.sandbox.binance_usdm.venue import Venue
from tightloop.app.sandbox.records import Declined
from tightloop.ports.transport import HttpAnswer

Endpoint = Callable[[Venue, Params], Any]

_PATH = re.compile(r"/(?:fapi/v[123]|sapi/v1|api/v3)/(.+)")
_SIGNATURE = re.compile(r"(?:^|&)signature=([^&]*)")
KEY_ONLY = ("POST listenKey", "PUT listenKey", "DELETE listenKey", "GET historicalTrades")
WINDOW_DEFAULT_MS, WINDOW_MAX_MS, AHEAD_MAX_MS = 5_000, 60_000, 1_000
ORDER_CALLS = ("POST order", "PUT order", "POST algoOrder")
CANCEL_CALLS = ("DELETE order", "DELETE algoOrder")


class BinanceTwin(Venue):
    """Binance USD-M futures over an exchange."""

    def sockets(self) -> Streams:
        """Return the sockets of the venue, none of them open."""
        return Streams(self)

    def respond(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, now_ns: int
    ) -> HttpAnswer:
        """Answer a request as it arrives at ``now_ns``. Names of headers are read in any case."""
        self.exchange.advance(now_ns)
        self.play_faults()
        found = _PATH.fullmatch(path)
        endpoint = f"{method} {found.group(1)}" if found else f"{method} {path}"
        form = body.decode("utf-8", "replace")
        params = Params(parse_qsl(query, keep_blank_values=True) + parse_qsl(form, keep_blank_values=True))
        try:
            reply = self._reply(endpoint, params, query, form, headers)
            answer = self._answer(200, reply)
        except Refuses as refused:
            answer = self._answer(refused.status, {"code": refused.code, "msg": refused.text}, refused.retry_after_s)
        except Declined as declined:
            said = refusal(declined.why)
            answer = self._answer(said.status, {"code": said.code, "msg": said.text})
        self.note(method, path, params, answer.status)
        return answer

    def _reply(self, endpoint: str, params: Params, query: str, form: str, headers: Mapping[str, str]) -> Any:
        """Answer a request. Raises Refuses or Declined."""
        self._refuse_by_fault(endpoint)
        rows = params.integer("limit")
        weight = limits.weight_of(endpoint, params.text("symbol"), rows)
        self.counts.take(weight, limits.ORDERS.get(endpoint, 0), self.exchange.now_ns)
        if endpoint in PUBLIC_ENDPOINTS:
            return PUBLIC_ENDPOINTS[endpoint](self, params)
        signed: Mapping[str, Endpoint] = {**TRADING_ENDPOINTS, **ACCOUNT_ENDPOINTS}
        if endpoint not in signed:
            raise Refuses(
                -5000, f"Path {endpoint.split(' ')[1]}, Method {endpoint.split(' ', maxsplit=1)[0]} is invalid", 404
            )
        self._check_key(headers)
        if endpoint not in KEY_ONLY:
            self._check_signature(endpoint, params, query, form)
        self._refuse_order_by_fault(endpoint, params)
        is_trading = endpoint in (*ORDER_CALLS, *CANCEL_CALLS)
        broken = self.strikes("http_5xx", call=endpoint, is_usual=is_trading)
        if broken is not None and (not is_trading or self.faults.hits["http_5xx"] % 2):
            raise unknown()
        reply = signed[endpoint](self, params)
        if broken is not None:  # every other one was executed: the status says nothing
            raise unknown()
        return reply

    def _check_key(self, headers: Mapping[str, str]) -> None:
        key = next((value for name, value in headers.items() if name.lower() == "x-mbx-apikey"), None)
        if key is None:
            raise Refuses(-2014, "API-key format invalid.", 401)
        if key != self.key or self.strikes("key_no_permission"):
            raise Refuses(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    def _check_signature(self, endpoint: str, params: Params, query: str, form: str) -> None:
        """Check time and signature. Raises Refuses."""
        sent_ms = params.integer("timestamp")
        if sent_ms is None:
            raise mandatory("timestamp")
        window_ms = params.integer("recvWindow")
        window_ms = WINDOW_DEFAULT_MS if window_ms is None else window_ms
        if not 0 < window_ms <= WINDOW_MAX_MS:
            raise Refuses(-1131, "recvWindow must be less than 60000")
        now_ms = self.clock_ms()
        if sent_ms >= now_ms + AHEAD_MAX_MS * self.speed or now_ms - sent_ms > window_ms * self.speed:
            ahead = " 1000ms ahead of server's time." if sent_ms > now_ms else " outside of the recvWindow."
            raise Refuses(-1021, f"Timestamp for this request is{ahead}")
        signature = _SIGNATURE.search(form) or _SIGNATURE.search(query)
        if signature is None:
            raise mandatory("signature")
        unsigned = _SIGNATURE.sub("", query) + _SIGNATURE.sub("", form)
        expected = hmac.new(self.secret.encode(), unsigned.encode(), hashlib.sha256).hexdigest()
        is_right = hmac.compare_digest(expected, signature.group(1))
        if not is_right or self.strikes("signature_refused", call=endpoint):
            raise Refuses(-1022, "Signature for this request is not valid.")

    def _refuse_by_fault(self, endpoint: str) -> None:
        """Refuse any request as an armed fault says, before anything is executed. Raises Refuses."""
        now_ns = self.exchange.now_ns
        limited = self.strikes("rate_429", call=endpoint)
        if limited is not None:
            raise limits.too_many("2400 requests weight per 1 MINUTE", now_ns, int(limited.value or 2))
        banned = self.strikes("ban_418", call=endpoint)
        if banned is not None:
            raise limits.banned(now_ns + int((banned.value or 5) * 1e9), now_ns)
        if self.strikes("maintenance", call=endpoint):
            raise Refuses(-1008, "Server is currently overloaded with other requests. Please try again.", 503)

    def _refuse_order_by_fault(self, endpoint: str, params: Params) -> None:
        """Refuse an order or a cancel as an armed fault says. Raises Refuses."""
        symbol = params.text("symbol")
        if endpoint in CANCEL_CALLS and self.strikes("cancel_refused", call=endpoint, symbol=symbol):
            raise Refuses(-2011, "Unknown order sent.")  # though it lives: an order on its way in is not known yet
        if endpoint not in ORDER_CALLS:
            return
        if self.strikes("order_refused", call=endpoint, symbol=symbol):
            raise Refuses(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")
        if not params.flag("reduceOnly") and self.strikes("margin_refused", call=endpoint, symbol=symbol):
            raise Refuses(-2019, "Margin is insufficient.")
        if params.flag("reduceOnly") and self.strikes("reduce_refused", call=endpoint, symbol=symbol):
            raise Refuses(-2022, "ReduceOnly Order is rejected.")
        if endpoint == "POST algoOrder" and self.strikes("would_trigger", call=endpoint, symbol=symbol):
            raise Refuses(-2021, "Order would immediately trigger.")

    def _answer(self, status: int, reply: Any, retry_after_s: int | None = None) -> HttpAnswer:
        headers = {
            "content-type": "application/json",
            **{name.lower(): text for name, text in self.counts.headers.items()},
        }
        if retry_after_s is not None:
            headers["retry-after"] = str(retry_after_s)
        return HttpAnswer(status, headers, json.dumps(reply, separators=(",", ":")).encode())
