"""Declarations shared by indicators that read only the latest quote: no windows, no memory."""

from tightloop.core.indicators.contract import End, Values, refresh_of


def no_ends(parameters: Values) -> tuple[End, ...]:
    """Return no window boundaries."""
    return ()


def every_second(parameters: Values) -> float:
    """Return the grid period: 1 s by default, since a quote stays in force until the next one."""
    return refresh_of(parameters, 1.0)
