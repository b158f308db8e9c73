"""Sessions: drivers that step one event at a time, and the journal of what they were told and did."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.runtime.session import bars as bars
    from tightloop.runtime.session import journal as journal
    from tightloop.runtime.session import ticks as ticks
else:
    __getattr__ = modules_on_use(__name__)  # runs of whole arrays do without
