"""Random numbers of synthetic markets: whole numbers of a generator, so that a seed means the same everywhere."""

import numpy as np
import numpy.typing as npt

from tightloop.core.domain.types import Floats


class Stream:
    """Uniform numbers from a named stream; 53 bits each, straight from the generator's integers."""

    def __init__(self, seed: int, *stream: int) -> None:
        self._bits = np.random.Philox(np.random.SeedSequence([seed, *stream]))

    def _raw(self, count: int) -> npt.NDArray[np.uint64]:
        return np.asarray(self._bits.random_raw(count), np.uint64)

    def uniform(self, count: int) -> Floats:
        """Numbers in [0, 1), shape (count,)."""
        return (self._raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, count: int) -> Floats:
        """Sums of twelve uniforms: normal enough, and whole numbers until the end, whatever order they are added in."""
        sums = (self._raw(12 * count) >> np.uint64(32)).reshape(count, 12).sum(axis=1)
        return np.asarray(sums.astype(np.float64) * 2.0**-32 - 6.0)

    def between(self, low: float, high: float) -> float:
        """One number in [low, high)."""
        return low + (high - low) * float(self.uniform(1)[0])


def wave(stream: Stream, count: int, memory: float, size: float) -> Floats:
    """An autoregressive series of standard deviation ``size``, its steps ``memory`` of the one before."""
    steps = (stream.normal(count) * (size * (1.0 - memory * memory) ** 0.5)).tolist()
    level = 0.0
    for index, step in enumerate(steps):
        level = memory * level + step
        steps[index] = level
    return np.array(steps)


def exp_6(values: Floats) -> Floats:
    """exp to six digits after the point, so that the last bit of the machine's exp never shows."""
    return np.asarray(np.rint(np.exp(values) * 1e6) / 1e6)


def to_digits(values: Floats, digits: int) -> Floats:
    """To so many digits: whole increments over a power of ten, the float that the decimal text means."""
    scale = 10.0**digits
    return np.asarray(np.rint(values * scale) / scale)
