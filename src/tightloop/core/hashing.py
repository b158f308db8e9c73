"""The rolling hash of a run, over every event, command and ledger posting in order.

Equal hashes mean equal runs. The 64-bit words of an event are multiplied by distinct odd constants and summed
(independent multiplications, which the processor runs in parallel), then folded into the hash once. Constants: golden
ratio and the mixers of splitmix64 (Steele, Lea, Flood 2014). Not cryptographic.
"""

import numpy as np

from tightloop.core.compiled import float_bits, hot, leaf
from tightloop.core.domain.types import Record, Word

_K0 = np.uint64(0x9E3779B97F4A7C15)
_K1 = np.uint64(0xBF58476D1CE4E5B9)
_K2 = np.uint64(0x94D049BB133111EB)
_K3 = np.uint64(0xD6E8FEB86659FD93)
_K4 = np.uint64(0xFF51AFD7ED558CCD)
_K5 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(29)


@hot
def mix(state: Record, word: Word) -> None:
    """Fold one 64-bit word into the rolling hash."""
    h = (state.hash ^ np.uint64(word)) * _K0
    state.hash = h ^ (h >> _SHIFT)


@hot
def mix_event(state: Record, event: Record) -> None:
    """Fold an event into the rolling hash; fields that its kind does not use must be zero."""
    a = np.uint64(event.kind * 4096 + event.phase) * _K0 + np.uint64(event.ts_init_ns) * _K1
    b = np.uint64(event.instrument * 65536 + event.instance) * _K2 + np.uint64(event.ts_event_ns) * _K3
    c = float_bits(event.price) * _K4 + float_bits(event.qty) * _K5
    if event.kind == 2:  # BAR_CLOSED
        d = float_bits(event.open) * _K1 + float_bits(event.high) * _K2 + float_bits(event.low) * _K3
    else:
        d = (
            np.uint64(event.order_id) * _K1
            + np.uint64(event.reason * 2 + event.is_maker) * _K2
            + float_bits(event.rate) * _K3
            + float_bits(event.amount) * _K5
            + float_bits(event.stop_price) * _K0
        )
    h = (state.hash ^ (a + b)) * _K0 + (c + d)
    state.hash = h ^ (h >> _SHIFT)


@leaf
def uniform(seed: int, counter: int, index: int) -> float:
    """Return a uniform pseudo-random number in [0, 1), a pure function of its arguments (splitmix64 finaliser)."""
    h = np.uint64(seed) * _K0 + np.uint64(counter) * _K3 + np.uint64(index) * _K5
    h = (h ^ (h >> np.uint64(30))) * _K1
    h = (h ^ (h >> np.uint64(27))) * _K2
    h = h ^ (h >> np.uint64(31))
    return float(h >> np.uint64(11)) / 9007199254740992.0  # 2^53
