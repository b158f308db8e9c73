"""The report of a carry run: one self-contained HTML file."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.report.carry import page as page
else:
    __getattr__ = modules_on_use(__name__)  # it needs polars, and `--no-report` does without
