"""ETags: who changes something says which version was seen; another in between is told."""

from fastapi import Response

from tightloop.app.api.answers.problems import HttpProblem


def give(response: Response, version: int | str) -> None:
    """Say which version is given."""
    response.headers["ETag"] = f'"{version}"'


def wanted(if_match: str | None) -> str | None:
    """Return the version in an If-Match header; None if there is none."""
    return None if if_match is None else if_match.strip().removeprefix("W/").strip('"')


def check(if_match: str | None, version: int | str) -> None:
    """Raise HttpProblem unless the version seen is the one there is."""
    if wanted(if_match) != str(version):
        raise HttpProblem("changed", f"it is version {version} now; read it, and write If-Match with its ETag")
