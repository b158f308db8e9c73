"""Replays under observation, for explanations."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.runtime.observe import python as python
else:
    __getattr__ = modules_on_use(__name__)  # only strategies in Python need it compiled
