"""Results printed as text."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.cli.show import asked as asked
    from tightloop.app.cli.show import explain as explain
    from tightloop.app.cli.show import indicators as indicators
    from tightloop.app.cli.show import journal as journal
    from tightloop.app.cli.show import sessions as sessions
    from tightloop.app.cli.show import story as story
    from tightloop.app.cli.show import summary as summary
    from tightloop.app.cli.show import sweep as sweep
else:
    __getattr__ = modules_on_use(__name__)  # commands answer `--help` without them
