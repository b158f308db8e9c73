"""Indicators, one per file, found by name: ``ema.py`` is the type EMA. Only the types a run uses are imported.

An indicator module defines these constants and functions (``p``: parameter values by name):

``OUTPUTS``      names of the outputs; the first is the default when a strategy names none.
``PARAMETERS``   the parameters, in the order of their cells in the arena.
``FORMULA``      one line for users, with the source where the definition is disputed.
``size(p)``      floats of private memory, stored after outputs and parameters.
``warmup(p)``    bars until every output is known in an ordinary market (the first bar is number 1).
``update(arena, base, bar)``  compiled; consumes one closed bar.

Memory layout: ``arena[base:]`` holds the outputs (NaN while UNKNOWN), then the parameters, then the private memory,
which starts as zeros. Batch evaluation (``series``) loops over the same ``update``, so batch and stream agree exactly.

An indicator of the strategy instance rather than of the market (its unrealised P&L, the age of its signal) defines
``evaluate(state, arena, instance, base)`` instead of ``update``; it is recomputed at every evaluation of the rules.

An indicator over time windows of ticks defines ``measure(state, arena, instrument, base)`` instead. It runs at every
event of its instrument and on a time grid, and the module also defines:

``ends(p)``      the window boundaries, each ``(tape, seconds before now)``. The edge number of each, its index in
                 ``state.edges``, is stored between parameters and private memory, in this order. Empty if only the
                 latest tick is read.
``refresh(p)``   grid period in seconds; grid points are UTC multiples of it, evaluated even when no tick arrives.
``TAPES``        the tick kinds needed regardless of parameters.
``NEEDS``        optional columns the tapes must keep beside the sums: ``moments``, ``extremes``. Optional.
``MEMORY_MOVES`` ``"at points"``: the private memory changes only at grid points and data gaps. Optional.
``refuse(p)``    cross-parameter validation: (parameter, message, remedy), or None if valid. Optional.
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
from tightloop.core.domain.types import BAR, Floats
from tightloop.core.indicators.contract import Choice, End, Parameter, Values
from tightloop.core.kinds import array, float64, int64, void
from tightloop.core.signatures import call_update

FOLDER = Path(__file__).resolve().parent
NOT_INDICATORS = {"__init__", "contract"}


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator type, as declared by its module."""

    type: str
    outputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    formula: str
    module: ModuleType

    def size(self, values: Values) -> int:
        """Return the number of arena floats: outputs, parameters, window boundaries and private memory."""
        return len(self.outputs) + len(self.parameters) + len(self.ends(values)) + int(self.module.size(values))

    @property
    def is_windowed(self) -> bool:
        """True if computed over time windows of ticks rather than over bars."""
        return hasattr(self.module, "measure")

    def ends(self, values: Values) -> tuple[End, ...]:
        """Return the window boundaries; empty for an indicator over bars."""
        return tuple(self.module.ends(values)) if self.is_windowed else ()

    def tapes(self, values: Values) -> tuple[str, ...]:
        """Return the tick kinds to record: those declared in ``TAPES`` and those of the window boundaries."""
        declared = self.module.TAPES if self.is_windowed else ()
        return tuple(dict.fromkeys([*declared, *(tape for tape, _ in self.ends(values))]))

    @property
    def needs(self) -> tuple[str, ...]:
        """Optional tape columns it reads (``moments``, ``extremes``)."""
        return tuple(getattr(self.module, "NEEDS", ()))

    def may_wait(self, values: Values) -> bool:
        """Tell whether computation may be deferred from a tick until the value is read (lazy evaluation).

        True if no private memory changes from tick to tick. Indicators that read the order book cannot be deferred:
        halfway through the next book update, the book they should have seen is gone.
        """
        moves = getattr(self.module, "MEMORY_MOVES", "always" if self.module.size(values) else "never")
        return self.is_windowed and moves != "always" and "book" not in self.tapes(values)

    def refresh_s(self, values: Values) -> float:
        """Return the grid period in seconds."""
        return float(self.module.refresh(values))

    def refused(self, values: Values) -> tuple[str, str, str] | None:
        """Validate the parameters against each other: (parameter, message, remedy), or None if valid."""
        problem: tuple[str, str, str] | None = self.module.refuse(values) if hasattr(self.module, "refuse") else None
        return problem

    @property
    def is_of_instance(self) -> bool:
        """True if it reads the strategy instance's state (position, signal) rather than the market."""
        return hasattr(self.module, "evaluate")

    @property
    def entry(self) -> Any:
        """The compiled function called through the address table: ``measure``, ``evaluate`` or ``update``."""
        if self.is_windowed:
            return self.module.measure
        return self.module.evaluate if self.is_of_instance else self.module.update

    def warmup(self, values: Values) -> int:
        """Return the bars until every output is known in an ordinary market (the first bar is number 1)."""
        return int(self.module.warmup(values))

    def lay_out(self, arena: npt.NDArray[np.float64], base: int, values: Values) -> None:
        """Initialise the cells at ``base``: outputs NaN, parameters from ``values``, memory zero."""
        outputs, parameters = len(self.outputs), len(self.parameters)
        arena[base : base + outputs] = np.nan
        for place, parameter in enumerate(self.parameters):
            arena[base + outputs + place] = values[parameter.name]
        arena[base + outputs + parameters : base + self.size(values)] = 0.0


@cache
def types_found() -> tuple[str, ...]:
    """List the indicator types, in alphabetical order, from the file names in this folder."""
    return tuple(
        sorted(p.stem.upper() for p in FOLDER.glob("*.py") if p.stem not in NOT_INDICATORS and p.stem[0] != "_")
    )


@cache
def load(type_name: str) -> Indicator:
    """Import the indicator of a type, e.g. ``EMA``; raises KeyError if no file has that name."""
    if type_name not in types_found():
        raise KeyError(type_name)
    module = importlib.import_module(f"{__name__}.{type_name.lower()}")
    return Indicator(type_name, module.OUTPUTS, module.PARAMETERS, module.FORMULA, module)


def with_defaults(indicator: Indicator, written: Mapping[str, float | str]) -> dict[str, float]:
    """Convert written parameters to arena values, filling in defaults; a ``Choice`` becomes the index of its word.

    Raises KeyError if a parameter without default is missing. Bounds are checked earlier, when a strategy is read.
    """
    values: dict[str, float] = {}
    for parameter in indicator.parameters:
        value: Any = written.get(parameter.name, parameter.default)
        if value is None:
            raise KeyError(parameter.name)
        values[parameter.name] = float(parameter.words.index(value) if isinstance(parameter, Choice) else value)
    return values


@compiled(void(array(int64), array(float64), int64, array(BAR), array(float64, 2)))
def _run(table: Any, arena: Floats, base: int, bars: npt.NDArray[np.void], out: Floats) -> None:
    """Run an indicator over all bars; writes ``out``, shape (n_bars, n_outputs)."""
    for i in range(len(bars)):
        call_update(table[0], arena, base, bars[i])
        for k in range(out.shape[1]):
            out[i, k] = arena[base + k]


def series(type_name: str, bars: npt.NDArray[np.void], **written: float | str) -> npt.NDArray[np.float64]:
    """Compute an indicator over ``bars`` (dtype BAR): (n_bars, n_outputs) float64, NaN while UNKNOWN."""
    indicator = load(type_name)
    values = with_defaults(indicator, written)
    arena = np.zeros(indicator.size(values))
    indicator.lay_out(arena, 0, values)
    out = np.empty((len(bars), len(indicator.outputs)))
    _run(address_table([indicator.module.update]), arena, 0, bars, out)
    return out
