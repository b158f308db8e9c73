"""tightloop: one deterministic engine for trading strategies, the same in research and in production."""

import gc
import importlib
from collections.abc import Callable
from types import ModuleType
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
    """Import a public name on first use: ``tightloop --help`` needs none of them."""
    if name not in _LAZY:
        raise AttributeError(f"module 'tightloop' has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    return getattr(module, name)


def modules_on_use(package: str, **aliases: str) -> Callable[[str], ModuleType]:
    """Return a ``__getattr__`` for a package (PEP 562) that imports a module of the package on first use.

    After ``__getattr__ = modules_on_use(__name__)`` in ``quality/__init__.py``, ``quality.gate`` needs no import
    statement of its own. Such packages keep start-up short: some modules import numba or polars, or compile code that
    most runs never call. Type checkers are told of the modules by imports under ``TYPE_CHECKING``.
    ``aliases``: module of an attribute, where the two names differ.
    """

    def load(name: str) -> ModuleType:
        path = f"{package}.{aliases.get(name, name)}"
        is_collecting = gc.isenabled()
        gc.disable()  # imports make objects and no garbage: looking for it took a tenth of a start
        try:
            return importlib.import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
        finally:
            if is_collecting:
                gc.enable()

    return load
