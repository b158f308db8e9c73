"""What ``tightloop up`` runs: the supervisor of a home folder, and the gateway that serves its API and pages."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.api import settings as settings
    from tightloop.app.api import supervisor as supervisor
else:
    __getattr__ = modules_on_use(__name__)  # no other command needs a web server
