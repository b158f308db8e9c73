"""How a user wants to see the pages."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from tightloop.app.api.answers import etags
from tightloop.app.api.parts import GivenCaller, GivenParts, Parts
from tightloop.app.api.shapes.auth import DisplaySettings

router = APIRouter(prefix="/api/v1/settings", tags=["settings"])


def _kept(parts: Parts, user: str) -> tuple[DisplaySettings, int]:
    found = parts.store.one("SELECT value, revision FROM settings WHERE user_id = ?", user)
    if found is None:
        return DisplaySettings(), 0
    return DisplaySettings.model_validate_json(found["value"]), int(found["revision"])


@router.get("")
async def settings(parts: GivenParts, caller: GivenCaller, response: Response) -> DisplaySettings:
    """Give the settings of this user."""
    found, revision = _kept(parts, caller.user)
    etags.give(response, revision)
    return found


@router.put("")
async def change(
    said: DisplaySettings, parts: GivenParts, caller: GivenCaller, response: Response,
    if_match: Annotated[str | None, Header()] = None,
) -> DisplaySettings:  # fmt: skip
    """Replace the settings of this user."""
    _, revision = _kept(parts, caller.user)
    etags.check(if_match, revision)
    statement = "INSERT OR REPLACE INTO settings VALUES (?, ?, ?)"
    parts.store.write(statement, caller.user, said.model_dump_json(), revision + 1)
    etags.give(response, revision + 1)
    return said
