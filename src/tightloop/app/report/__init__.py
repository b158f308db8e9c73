"""The report of a run: one self-contained HTML file."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.report import page as page
    from tightloop.app.report import why as why
else:
    __getattr__ = modules_on_use(__name__)  # they need polars, and `--no-report` does without
