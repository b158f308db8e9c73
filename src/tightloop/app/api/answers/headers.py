"""Headers of requests."""

from starlette.datastructures import Headers


def header(headers: Headers, name: str) -> str:
    """Return a header; "" where there is none."""
    return headers[name] if name in headers else ""  # noqa: SIM401 - records with texts as keys are counted
