"""How many requests may go out, so that a venue never has to refuse one.

A venue counts over fixed windows whose beginnings it does not say. A bucket of half the limit that refills by half the
limit in each window lets no window of that length, wherever it begins, see more than the limit. The last fifth of a
bucket is for the exit lane alone. A refusal stops all lanes until the venue's Retry-After has passed.

The venue counts what others asked from here, too: a process that was killed a moment ago, say. So where its answers say
how much is used, a bucket has no more than what is left.

Times are ns of a clock that does not go back. Nothing here waits: callers ask how long, sleep, and take.
"""

from collections.abc import Mapping, Sequence

from tightloop.ports.market_data import VenueLimit
from tightloop.ports.transport import HttpCall, Lane

EXIT_SHARE = 0.2
ON_THEIR_WAY = 0.1
"""Share of a limit for requests that had not arrived when an answer said how much is used."""
DIGITS_MAX = 9
_SECOND_NS = 1_000_000_000
_WAIT_MIN_NS = 1_000_000
"""No wait is shorter: a float's last bits would be waited for again and again, by a clock that cannot show them."""


class _Bucket:
    """Tokens of one limit."""

    def __init__(self, limit: VenueLimit, now_ns: int) -> None:
        self.limit = limit
        self.size = limit.count / 2
        self.tokens = self.size
        self.filled_ns = now_ns

    def cost(self, call: HttpCall) -> float:
        return float(call.order_count if self.limit.is_of_orders else call.weight)

    def fill(self, now_ns: int) -> None:
        gained = (now_ns - self.filled_ns) * self.size / (self.limit.per_s * _SECOND_NS)
        self.tokens = min(self.size, self.tokens + max(0.0, gained))
        self.filled_ns = max(self.filled_ns, now_ns)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Keep no more than what an answer says is left, and no less than that without what refills it meanwhile."""
        used = headers.get(self.limit.header, "")
        if used.isdecimal():
            count = self.limit.count
            left = count * (1.0 - ON_THEIR_WAY) - min(int(used[:DIGITS_MAX]), count)
            self.tokens = min(max(self.tokens, left - self.size), left)

    def wait_ns(self, call: HttpCall) -> float:
        """Return ns until the call may go: the bucket is never below what its lane has to leave."""
        cost = self.cost(call)
        kept = 0.0 if call.lane == Lane.EXIT else self.size * EXIT_SHARE
        if not cost:
            return 0.0
        lacking = min(cost + kept, self.size) - self.tokens  # a call dearer than the bucket waits until it is full
        return max(0.0, lacking) * self.limit.per_s * _SECOND_NS / self.size


class Budget:
    """What is left of a venue's limits."""

    def __init__(self, limits: Sequence[VenueLimit], now_ns: int) -> None:
        self._buckets = [_Bucket(limit, now_ns) for limit in limits]
        self._stopped_until_ns = 0

    def wait_s(self, call: HttpCall, now_ns: int) -> float:
        """Return how long the call has to wait, 0 when it may go now."""
        waits_ns = [float(self._stopped_until_ns - now_ns)]
        for bucket in self._buckets:
            bucket.fill(now_ns)
            waits_ns.append(bucket.wait_ns(call))
        wait_ns = max(0.0, *waits_ns)
        return max(wait_ns, _WAIT_MIN_NS) / _SECOND_NS if wait_ns > 0.0 else 0.0

    def take(self, call: HttpCall, now_ns: int) -> None:
        """Count a call that goes out now, whether or not there was room for it."""
        for bucket in self._buckets:
            bucket.fill(now_ns)
            bucket.tokens -= bucket.cost(call)

    def learn(self, headers: Mapping[str, str], now_ns: int) -> None:
        """Take what the headers of an answer (names in lower case) say is used."""
        for bucket in self._buckets:
            bucket.fill(now_ns)
            bucket.learn(headers)

    def stop(self, retry_after_s: float, now_ns: int) -> None:
        """Hold all lanes, because the venue refused a call: its Retry-After, never shortened by a later one."""
        self._stopped_until_ns = max(self._stopped_until_ns, now_ns + int(retry_after_s * _SECOND_NS))
