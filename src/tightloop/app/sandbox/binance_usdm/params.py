"""Parameters of a request, read as Binance reads them."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from tightloop.app.sandbox.binance_usdm.errors import Refuses, mandatory


class Params:
    """Named texts of query and body; the last of a name counts."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.values = dict(pairs)

    def text(self, name: str) -> str | None:
        """Return a parameter, None if it is absent or empty."""
        return self.values[name] if self.values.get(name) else None

    def need(self, name: str) -> str:
        """Return a parameter. Raises Refuses (-1102) without it."""
        value = self.text(name)
        if value is None:
            raise mandatory(name)
        return value

    def integer(self, name: str) -> int | None:
        """Return a whole number of 64 bits, None if absent. Raises Refuses (-1102)."""
        value = self.text(name)
        if value is None:
            return None
        try:
            found = int(value)
        except ValueError:
            raise mandatory(name) from None
        if not -(2**63) <= found < 2**63:
            raise mandatory(name)
        return found

    def count(self, name: str, default: int, most: int) -> int:
        """Return a number of rows, at most ``most``. Raises Refuses (-1102, -1130)."""
        value = self.integer(name)
        if value is None:
            return default
        if value < 1:
            raise Refuses(-1130, f"Data sent for parameter '{name}' is not valid.")
        return min(value, most)

    def decimal(self, name: str) -> Decimal | None:
        """Return a decimal, None if absent. Raises Refuses (-1102)."""
        value = self.text(name)
        if value is None:
            return None
        try:
            found = Decimal(value)
        except InvalidOperation:
            raise mandatory(name) from None
        if not found.is_finite():
            raise mandatory(name)
        return found

    def flag(self, name: str) -> bool:
        """Return a flag, False if absent. Raises Refuses (-1102)."""
        value = (self.text(name) or "false").lower()
        if value not in ("true", "false"):
            raise mandatory(name)
        return value == "true"

    def ns(self, name: str) -> int | None:
        """Return a time in ms as ns, None if absent. Raises Refuses (-1102)."""
        value = self.integer(name)
        return None if value is None else value * 1_000_000
