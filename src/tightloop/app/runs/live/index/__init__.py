"""The read model of a home folder: kept while sessions run, made again from their journals."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.runs.live.index import keeping as keeping
    from tightloop.app.runs.live.index import reading as reading
else:
    __getattr__ = modules_on_use(__name__)  # commands answer `--help` without it
