"""Carry strategies: file format, layers and legs, validation, and the arrays a run starts from."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.model.carry import read as read
else:
    __getattr__ = modules_on_use(__name__)  # its schemas take as long as those of all other families
