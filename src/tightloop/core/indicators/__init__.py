"""Indicators, one per file, found by name: ``ema.py`` is the type EMA. Only what a run uses is imported.

A file says what it is with module constants and functions:

``OUTPUTS``      names of its outputs; the first is the one meant when a strategy names none.
``PARAMETERS``   its parameters, in the order in which they stand in the arena.
``FORMULA``      one line for people, with the source where a definition could be disputed.
``size(p)``      floats of own memory it needs for parameters ``p``, after outputs and parameters.
``warmup(p)``    bars after which every output is known in an ordinary market (the first bar is number 1).
``update(arena, base, bar)``  compiled; takes in one closed bar.

Memory: ``arena[base:]`` holds the outputs (NaN until known: UNKNOWN), then the parameters, then the own memory, zero at
the start. Batch is the same ``update`` in a loop (``series``), so the two can not differ.

An indicator of the instance rather than of the market (its unrealised P&L, the age of its signal) has
``evaluate(state, arena, instance, base)`` in the place of ``update``: computed anew at every evaluation.

An indicator over windows of time has ``measure(state, arena, instrument, base)``, computed at every event of its
instrument and at the points of its grid, and says what it looks at:

``ends(p)``      the ends of its windows, ``(tape, seconds before now)`` each; their numbers stand in the arena between
                 the parameters and the own memory, in this order. Empty when it reads the last tick alone.
``refresh(p)``   seconds of its grid: multiples in UTC, where it is computed though nothing happens.
``TAPES``        the kinds of ticks it needs whatever its parameters are.
``NEEDS``        what its tapes keep beside sums: ``moments``, ``extremes``. Optional.
``MEMORY_MOVES`` ``"at points"`` says that its own memory changes at points of the grid and at gaps alone. Optional.
``refuse(p)``    what is wrong with its windows taken together: (parameter, message, remedy), or None. Optional.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core.compiled import address_table, compiled
from tightloop.core.domain.kinds import array, float64, int64, void
from tightloop.core.domain.types import BAR, Floats
from tightloop.core.indicators.contract import Choice, End, Parameter, Values
from tightloop.core.signatures import call_update

FOLDER = Path(__file__).resolve().parent
NOT_INDICATORS = {"__init__", "contract"}


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator type as its file declares it."""

    type: str
    outputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    formula: str
    module: ModuleType

    def size(self, values: Values) -> int:
        """Floats in the arena for these parameters: outputs, parameters, numbers of ends and own memory."""
        return len(self.outputs) + len(self.parameters) + len(self.ends(values)) + int(self.module.size(values))

    @property
    def is_windowed(self) -> bool:
        """Computed over windows of time on ticks."""
        return hasattr(self.module, "measure")

    def ends(self, values: Values) -> tuple[End, ...]:
        """The ends of its windows; none of an indicator that counts bars."""
        return tuple(self.module.ends(values)) if self.is_windowed else ()

    def tapes(self, values: Values) -> tuple[str, ...]:
        """The kinds of ticks it needs: those it names, and those its windows are on."""
        own = self.module.TAPES if self.is_windowed else ()
        return tuple(dict.fromkeys([*own, *(tape for tape, _ in self.ends(values))]))

    @property
    def needs(self) -> tuple[str, ...]:
        """What its tapes keep beside sums."""
        return tuple(getattr(self.module, "NEEDS", ()))

    def may_wait(self, values: Values) -> bool:
        """It need not be computed at every tick: nothing is kept from one to the next, but at points of the grid.

        What reads a book may not wait: in the middle of the next update the book is not what it was.
        """
        moves = getattr(self.module, "MEMORY_MOVES", "always" if self.module.size(values) else "never")
        return self.is_windowed and moves != "always" and "book" not in self.tapes(values)

    def refresh_s(self, values: Values) -> float:
        """Seconds between two points of its grid."""
        return float(self.module.refresh(values))

    def refused(self, values: Values) -> tuple[str, str, str] | None:
        """What is wrong with its parameters taken together: (parameter, message, remedy)."""
        found: tuple[str, str, str] | None = self.module.refuse(values) if hasattr(self.module, "refuse") else None
        return found

    @property
    def is_of_instance(self) -> bool:
        """Read from the instance's own state, not from the market."""
        return hasattr(self.module, "evaluate")

    @property
    def entry(self) -> Any:
        """The compiled function that the table holds."""
        if self.is_windowed:
            return self.module.measure
        return self.module.evaluate if self.is_of_instance else self.module.update

    def warmup(self, values: Values) -> int:
        return int(self.module.warmup(values))

    def lay_out(self, arena: npt.NDArray[np.float64], base: int, values: Values) -> None:
        """Write the start: outputs UNKNOWN, parameters, zeros."""
        outputs, parameters = len(self.outputs), len(self.parameters)
        arena[base : base + outputs] = np.nan
        for place, parameter in enumerate(self.parameters):
            arena[base + outputs + place] = values[parameter.name]
        arena[base + outputs + parameters : base + self.size(values)] = 0.0


@cache
def types_found() -> tuple[str, ...]:
    """The types there are, by the files in this folder."""
    return tuple(
        sorted(p.stem.upper() for p in FOLDER.glob("*.py") if p.stem not in NOT_INDICATORS and p.stem[0] != "_")
    )


@cache
def load(type_name: str) -> Indicator:
    """The indicator of a type; KeyError when no file has its name."""
    if type_name not in types_found():
        raise KeyError(type_name)
    module = importlib.import_module(f"{__name__}.{type_name.lower()}")
    return Indicator(type_name, module.OUTPUTS, module.PARAMETERS, module.FORMULA, module)


def with_defaults(indicator: Indicator, written: Mapping[str, float | str]) -> dict[str, float]:
    """Parameters in the form of the arena; a ``Choice`` becomes the position of its word. Bounds are the config's."""
    values: dict[str, float] = {}
    for parameter in indicator.parameters:
        value: Any = written.get(parameter.name, parameter.default)
        if value is None:
            raise KeyError(parameter.name)
        values[parameter.name] = float(parameter.words.index(value) if isinstance(parameter, Choice) else value)
    return values


@compiled(void(array(int64), array(float64), int64, array(BAR), array(float64, 2)))
def _run(table: Any, arena: Floats, base: int, bars: npt.NDArray[np.void], out: Floats) -> None:
    for i in range(len(bars)):
        call_update(table[0], arena, base, bars[i])
        for k in range(out.shape[1]):
            out[i, k] = arena[base + k]


def series(type_name: str, bars: npt.NDArray[np.void], **written: float | str) -> npt.NDArray[np.float64]:
    """All outputs of an indicator over ``bars`` (dtype BAR): shape (bars, outputs), NaN where UNKNOWN."""
    indicator = load(type_name)
    values = with_defaults(indicator, written)
    arena = np.zeros(indicator.size(values))
    indicator.lay_out(arena, 0, values)
    out = np.empty((len(bars), len(indicator.outputs)))
    _run(address_table([indicator.module.update]), arena, 0, bars, out)
    return out
