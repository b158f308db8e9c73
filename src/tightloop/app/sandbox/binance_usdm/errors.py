"""What Binance USD-M says when it refuses: HTTP status, code, text. Source: its papers, "Error Codes"."""

from tightloop.app.sandbox.records import No


class Refuses(Exception):
    """An answer with a code and a text. ``retry_after_s``: of 429 and 418.

    Raise a new one each time: an exception keeps all that its traceback leads to.
    """

    def __init__(self, code: int, text: str, status: int = 400, retry_after_s: int | None = None) -> None:
        self.code, self.text, self.status, self.retry_after_s = code, text, status, retry_after_s
        super().__init__(f"{code} {text}")


def mandatory(name: str) -> Refuses:
    """Build the refusal of a request without a parameter, or with one that cannot be read."""
    return Refuses(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def absent() -> Refuses:
    """Build the refusal of a request about an order that there is not."""
    return Refuses(-2013, "Order does not exist.")


def unknown() -> Refuses:
    """Build the answer that does not say whether anything was executed."""
    return Refuses(-1007, "Timeout waiting for response from backend server. Send status unknown.", 503)


DECLINED = {
    No.MARGIN: (-2019, "Margin is insufficient."),
    No.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    No.WOULD_TAKE: (
        -5022,
        (
            "Due to the order could not be executed as maker, the Post Only order will be rejected. "
            "The order will not be recorded in the order history"
        ),
    ),
    No.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    No.ID_REPEATED: (-4116, "ClientOrderId is duplicated."),
    No.NOT_TRADING: (-4108, "Symbol is on delivering or delivered or settling or closed or pre-trading."),
    No.NO_SUCH_ORDER: (-2011, "Unknown order sent."),
    No.NO_LIQUIDITY: (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    No.POSITION_SIDE: (-4061, "Order's position side does not match user's setting."),
    No.HAS_POSITION: (-4048, "Margin type cannot be changed if there exists position."),
    No.HAS_ORDERS: (-4047, "Margin type cannot be changed if there exists open orders."),
    No.NO_CHANGE: (-5027, "No need to modify the order."),
    No.LEVERAGE: (-4028, "Leverage is not valid"),
}
"""Code and text of each refusal of the exchange."""


def refusal(why: No) -> Refuses:
    """Return a refusal of the exchange as Binance says it."""
    code, text = DECLINED[why]
    return Refuses(code, text)
