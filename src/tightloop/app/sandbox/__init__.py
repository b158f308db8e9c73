"""Twins of exchanges: a venue of one's making on loopback, for first sessions, tests and simulations.

The truth (accounts, orders, matching) is in ``engine.py`` and knows no wire; a folder per venue speaks its dialect.
"""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.sandbox import start as start
else:
    __getattr__ = modules_on_use(__name__)  # aiohttp and numpy are loaded when a server is started
