"""What indicators share that read the last quote alone: no windows, no memory."""

from tightloop.core.indicators.contract import End, Values, refresh_of


def no_ends(parameters: Values) -> tuple[End, ...]:
    """No window."""
    return ()


def every_second(parameters: Values) -> float:
    """A quote is in force until the next one."""
    return refresh_of(parameters, 1.0)
