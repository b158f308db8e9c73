"""tightloop: one deterministic engine for trading strategies, the same in research and in production."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tightloop.app.analysis.indicator import indicator as indicator
    from tightloop.app.runs.backtest import backtest as backtest
    from tightloop.app.runs.run import Run as Run
    from tightloop.app.runs.sweep import sweep as sweep
    from tightloop.model.errors import InputError as InputError

_LAZY = {
    "Run": "tightloop.app.runs.run",
    "backtest": "tightloop.app.runs.backtest",
    "sweep": "tightloop.app.runs.sweep",
    "indicator": "tightloop.app.analysis.indicator",
    "InputError": "tightloop.model.errors",
}
__all__ = ["InputError", "Run", "__version__", "backtest", "indicator", "sweep"]


def __getattr__(name: str) -> Any:
    """Import on first use: ``tightloop --help`` needs none of it."""
    if name not in _LAZY:
        raise AttributeError(f"module 'tightloop' has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    return getattr(module, name)
