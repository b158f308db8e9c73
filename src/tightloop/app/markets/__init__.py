"""Market data of a run: loading, quality gate, warnings."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.markets import notes as notes
    from tightloop.app.markets.fetch import run

    fetch_run = run
else:
    __getattr__ = modules_on_use(__name__, fetch_run="fetch.run")  # commands answer `--help` without them
