"""The only place of the runtime with a broad except: code of the user may raise anything."""

from collections.abc import Callable
from typing import TypeVar

from tightloop.model.errors import StrategyError

Done = TypeVar("Done")


def supervised(job: Callable[[], Done], failure_of: Callable[[BaseException], StrategyError | None]) -> Done:
    """Run ``job``; an error raised inside code of the user becomes a StrategyError that names the place."""
    try:
        return job()
    except (Exception, SystemExit) as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise failure from error
