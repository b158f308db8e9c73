"""How often something may be asked: buckets that fill again with time, by who asks and for what."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping

from tightloop.app.api.answers.problems import HttpProblem

ENTRIES_MAX = 10_000


class Throttle:
    """Counts in memory: a gateway that starts again has forgotten them. ``clock_s``: a clock that never goes back."""

    def __init__(self, per_minute: Mapping[str, int], clock_s: Callable[[], float]) -> None:
        self._per_minute, self._clock_s = per_minute, clock_s
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def take(self, bucket: str, who: str) -> None:
        """Take one request from a bucket. Raises HttpProblem if it is empty."""
        now_s, most = self._clock_s(), self._per_minute[bucket]
        left, then_s = self._left.pop((bucket, who), (float(most), now_s))
        left = min(float(most), left + (now_s - then_s) * most / 60.0)
        self._left[bucket, who] = max(left - 1.0, 0.0) if left >= 1.0 else left, now_s
        while len(self._left) > ENTRIES_MAX:
            self._left.popitem(last=False)
        if left < 1.0:
            self._refuse((1.0 - left) * 60.0 / most, f"{most} a minute are taken")

    def check_failures(self, who: str) -> None:
        """Raise HttpProblem while a name that failed has to wait: 1 s after the third failure, then doubled."""
        count, until_s = self._failed.get(who, (0, 0.0))
        wait_s = until_s - self._clock_s()
        if wait_s > 0.0:
            self._refuse(wait_s, f"{count} attempts failed")

    def failed(self, who: str) -> None:
        """Count a failure."""
        count = self._failed.pop(who, (0, 0.0))[0] + 1
        wait_s = min(2.0 ** (count - 3), 60.0) if count >= 3 else 0.0
        self._failed[who] = count, self._clock_s() + wait_s
        while len(self._failed) > ENTRIES_MAX:
            self._failed.popitem(last=False)

    def succeeded(self, who: str) -> None:
        """Forget failures."""
        self._failed.pop(who, None)

    def _refuse(self, wait_s: float, why: str) -> None:
        raise HttpProblem("too_many", f"{why}; wait {wait_s:.0f} s", headers={"Retry-After": str(math.ceil(wait_s))})
