"""Strategies of the families signal, hold and python: file format, validation, and the arrays a run starts from."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.model.signal import portfolio as portfolio
    from tightloop.model.signal import read as read
    from tightloop.model.signal import sizes as sizes
else:
    __getattr__ = modules_on_use(__name__)  # commands answer `--help` without them
