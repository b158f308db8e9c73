"""Sessions: strategies on a market as it happens, and what may be asked of a session from outside."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.runs.live import export as export
    from tightloop.app.runs.live import index as index
    from tightloop.app.runs.live import live as live
    from tightloop.app.runs.live import options as options
    from tightloop.app.runs.live import outside as outside
    from tightloop.app.runs.live import paper as paper
    from tightloop.app.runs.live import recorded as recorded
else:
    __getattr__ = modules_on_use(__name__)  # a session needs the network, a look at one does not; export needs pyarrow
