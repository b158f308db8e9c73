"""Random numbers of synthetic markets, built from the integers of a generator to be equal on every machine."""

import numpy as np
import numpy.typing as npt

from tightloop.core.domain.types import Floats


class Stream:
    """An independent stream of random numbers, chosen by the seed and the ``stream`` numbers."""

    def __init__(self, seed: int, *stream: int) -> None:
        self._bits = np.random.Philox(np.random.SeedSequence([seed, *stream]))

    def _raw(self, count: int) -> npt.NDArray[np.uint64]:
        return np.asarray(self._bits.random_raw(count), np.uint64)

    def uniform(self, count: int) -> Floats:
        """Return numbers in [0, 1) with 53 random bits, shape (count,)."""
        return (self._raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, count: int) -> Floats:
        """Return approximately standard normal numbers: sums of twelve uniforms, exact in any order of addition."""
        sums = (self._raw(12 * count) >> np.uint64(32)).reshape(count, 12).sum(axis=1)
        return np.asarray(sums.astype(np.float64) * 2.0**-32 - 6.0)

    def between(self, low: float, high: float) -> float:
        """Return one number in [low, high)."""
        return low + (high - low) * float(self.uniform(1)[0])


def wave(stream: Stream, count: int, memory: float, size: float) -> Floats:
    """Return an AR(1) series with coefficient ``memory`` and standard deviation ``size``, shape (count,)."""
    steps = (stream.normal(count) * (size * (1.0 - memory * memory) ** 0.5)).tolist()
    level = 0.0
    for index, step in enumerate(steps):
        level = memory * level + step
        steps[index] = level
    return np.array(steps)


def exp_6(values: Floats) -> Floats:
    """Return exp rounded to six decimals, which hides differences in the last bit between machines."""
    return np.asarray(np.rint(np.exp(values) * 1e6) / 1e6)


def to_digits(values: Floats, digits: int) -> Floats:
    """Round to ``digits`` decimals; the result is the float nearest to the decimal text."""
    scale = 10.0**digits
    return np.asarray(np.rint(values * scale) / scale)
