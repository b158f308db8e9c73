"""Why, and why not, as plain records."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.facts import carry_rules as carry_rules
else:
    __getattr__ = modules_on_use(__name__)  # carry_rules compiles code for carry alone
