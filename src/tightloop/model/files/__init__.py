"""Reading of YAML files written by users: line numbers, field types, overrides, error messages."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.model.files import yaml_lines as yaml_lines
else:
    __getattr__ = modules_on_use(__name__)  # commands answer `--help` without them
