"""Whether this machine, a home folder and a venue are as sessions need them."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.runs.doctor import findings as findings
    from tightloop.app.runs.doctor import machine as machine
    from tightloop.app.runs.doctor import sessions as sessions
    from tightloop.app.runs.doctor import venues as venues
else:
    __getattr__ = modules_on_use(__name__)  # a venue needs the network, a machine does not
