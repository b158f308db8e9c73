"""How many examples of hypothesis a test tries."""

from hypothesis import settings

SHARE = 3
"""The same examples come at every change, so they find little anew: a third of them is tried then, all at night."""


def examples(count: int) -> int:
    """The examples to try of ``count``: all where they are fresh (`dev.py nightly`), a share where they are steady."""
    return count if settings.get_current_profile_name() == "fresh" else -(-count // SHARE)
