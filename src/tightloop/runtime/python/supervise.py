"""The one place of the runtime that catches whatever comes: code of the user may raise anything, wherever it likes."""

from collections.abc import Callable
from typing import TypeVar

from tightloop.model.errors import StrategyError

Done = TypeVar("Done")


def supervised(job: Callable[[], Done], failure_of: Callable[[BaseException], StrategyError | None]) -> Done:
    """Run a job; what was raised inside code of the user becomes an error that says where. Everything else goes on."""
    try:
        return job()
    except (Exception, SystemExit) as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise failure from error
