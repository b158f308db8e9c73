"""tightloop: one deterministic engine for trading strategies, the same in research and in production."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tightloop.app.bootstrap import Run as Run
    from tightloop.app.bootstrap import backtest as backtest
    from tightloop.app.bootstrap import sweep as sweep
    from tightloop.app.indicator import indicator as indicator
    from tightloop.model.errors import InputError as InputError

_LAZY = {
    "Run": "tightloop.app.bootstrap",
    "backtest": "tightloop.app.bootstrap",
    "sweep": "tightloop.app.bootstrap",
    "indicator": "tightloop.app.indicator",
    "InputError": "tightloop.model.errors",
}
__all__ = ["InputError", "Run", "__version__", "backtest", "indicator", "sweep"]


def __getattr__(name: str) -> Any:
    """Import on first use: ``tightloop --help`` needs none of it."""
    if name not in _LAZY:
        raise AttributeError(f"module 'tightloop' has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    return getattr(module, name)
