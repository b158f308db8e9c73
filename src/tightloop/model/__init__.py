"""Strategies, instruments and their rules in plain Python, as people and files state them."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.model import load as load
else:
    __getattr__ = modules_on_use(__name__)  # commands answer `--help` without them
