"""What a session does with facts: steps them, journals them, repeats them, shows what came of them."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.runtime.session.driver import facts_python as facts_python
else:
    __getattr__ = modules_on_use(__name__)  # what strategies in Python need takes 30 ms that others do not have
