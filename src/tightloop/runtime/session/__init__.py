"""Sessions: the driver of facts as they come, and the journal of what it was told and did."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.runtime.session import journal as journal
else:
    __getattr__ = modules_on_use(__name__)  # commands that name no journal do without
