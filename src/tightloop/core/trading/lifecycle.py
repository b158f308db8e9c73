"""The life cycle of everything that is sent, whether an order or a bundle of instructions.

                 in flight   done   refused   unknown
    SENT         IN_FLIGHT   DONE   REFUSED   UNKNOWN
    IN_FLIGHT    IN_FLIGHT   DONE   REFUSED   UNKNOWN
    UNKNOWN      IN_FLIGHT   DONE   REFUSED   UNKNOWN

DONE and REFUSED are final. UNKNOWN means that no answer came: what was sent is neither gone nor executed, it keeps what
it has reserved, and only a look-up at the venue or chain ends that state. While it lasts, no new risk is taken where
its execution would add to it.

Bundles use these states as they are (``carry/bundles.py``). Orders have finer states, each of which is one of these
(``life_of``); ``orders.py`` may refine this table, never contradict it, which is asserted when it is built.
"""

from enum import IntEnum

import numpy as np

from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import OrderState


class Life(IntEnum):
    """Where something that was sent is in its life."""

    NONE = 0  # not sent
    SENT = 1
    IN_FLIGHT = 2  # acknowledged, or executed in part
    DONE = 3
    REFUSED = 4
    UNKNOWN = 5


_OPEN = (Life.SENT, Life.IN_FLIGHT, Life.UNKNOWN)
_NEXT = (Life.IN_FLIGHT, Life.DONE, Life.REFUSED, Life.UNKNOWN)

TRANSITIONS = np.zeros((len(Life), len(Life)), np.int64)
"""1 where the life of the row may become that of the column."""
TRANSITIONS[Life.NONE, Life.SENT] = TRANSITIONS[Life.NONE, Life.REFUSED] = 1
for _life in _OPEN:
    TRANSITIONS[_life, _NEXT] = 1

_LIFE_OF_ORDER = {
    OrderState.INITIALIZED: Life.NONE,
    OrderState.DENIED: Life.REFUSED,
    OrderState.SUBMITTED: Life.SENT,
    OrderState.IN_FLIGHT: Life.UNKNOWN,  # of an order: sent, and no answer came
    OrderState.ACCEPTED: Life.IN_FLIGHT,
    OrderState.PARTIALLY_FILLED: Life.IN_FLIGHT,
    OrderState.PENDING_CANCEL: Life.IN_FLIGHT,
    OrderState.FILLED: Life.DONE,
    OrderState.CANCELED: Life.DONE,
    OrderState.EXPIRED: Life.DONE,
    OrderState.REJECTED: Life.REFUSED,
}


def life_of(state: OrderState) -> Life:
    """Return the life that a state of an order is a case of."""
    return _LIFE_OF_ORDER[state]


@leaf
def is_legal(life: int, to: int) -> bool:
    """Return whether the life ``life`` may become ``to``."""
    assert 0 <= life < len(TRANSITIONS), "a life is one of the table"
    return TRANSITIONS[life, to] != 0


@leaf
def is_pending(life: int) -> bool:
    """Return whether an answer is awaited: sent or in flight."""
    return life == Life.SENT or life == Life.IN_FLIGHT


@leaf
def has_ended(life: int) -> bool:
    """Return whether nothing can change any more."""
    return life == Life.DONE or life == Life.REFUSED
