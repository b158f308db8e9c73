"""The command line."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.cli import background as background
    from tightloop.app.cli import beside as beside
    from tightloop.app.cli import compiling as compiling
else:
    __getattr__ = modules_on_use(__name__)  # both import numpy, which no `--help` needs
