"""Analysis of finished runs."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.analysis import detect as detect
    from tightloop.app.analysis import explain as explain
    from tightloop.app.analysis import explain_carry as explain_carry
    from tightloop.app.analysis import report_again as report_again
else:
    __getattr__ = modules_on_use(__name__)  # explain_carry compiles code for carry alone
