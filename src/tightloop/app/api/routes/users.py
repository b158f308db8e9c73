"""Users, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from tightloop.app.api.answers import etags
from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.parts import GivenCaller, GivenParts, GivenRequest
from tightloop.app.api.security.passwords import check_strength
from tightloop.app.api.security.roles import UserRole, role_of
from tightloop.app.api.shapes.auth import RoleName, UserChange, UserShape, UserWanted
from tightloop.app.api.shapes.common import Done
from tightloop.app.api.store import Row

router = APIRouter(prefix="/api/v1/users", tags=["users"])


def _shape(row: Row) -> UserShape:
    return UserShape(
        id=row["id"], name=row["name"], role=RoleName(UserRole(row["role"]).name.lower()),
        is_disabled=bool(row["is_disabled"]), made_ts=str(row["made_ts"]), revision=row["revision"],
    )  # fmt: skip


@router.get("")
async def users(parts: GivenParts) -> list[UserShape]:
    """List all users."""
    return [_shape(row) for row in parts.keeping.users.all()]


@router.post("", status_code=201)
async def add(said: UserWanted, parts: GivenParts, asked: GivenRequest, response: Response) -> UserShape:
    """Add a user."""
    check_strength(said.password, said.name)
    hashed = await parts.passwords.hash(said.password)
    user = parts.keeping.users.user(parts.keeping.users.add(said.name, role_of(said.role), hashed))
    asked.told.after = {"name": said.name, "role": said.role}
    etags.give(response, user["revision"])
    return _shape(user)


@router.patch("/{id}")
async def change(
    id: str, said: UserChange, parts: GivenParts, asked: GivenRequest, response: Response,
    if_match: Annotated[str | None, Header()] = None,
) -> UserShape:  # fmt: skip
    """Change the role of a user, or whether the user may sign in. If-Match: the revision."""
    before = parts.keeping.users.user(id)
    etags.check(if_match, before["revision"])
    role = UserRole(before["role"]) if said.role is None else role_of(said.role)
    is_disabled = bool(before["is_disabled"]) if said.is_disabled is None else said.is_disabled
    parts.keeping.users.change(id, role, is_disabled=is_disabled, revision=before["revision"])
    if is_disabled:
        parts.keeping.logins.end_all(id)
    after = parts.keeping.users.user(id)
    asked.told.before, asked.told.after = _shape(before).model_dump(), _shape(after).model_dump()
    etags.give(response, after["revision"])
    return _shape(after)


@router.delete("/{id}")
async def remove(id: str, parts: GivenParts, caller: GivenCaller, asked: GivenRequest) -> Done:
    """Remove a user, with logins and keys."""
    before = parts.keeping.users.user(id)
    if id == caller.user:
        raise HttpProblem("conflict", "nobody removes the account that is signed in")
    parts.keeping.users.remove(id)
    parts.keeping.logins.end_all(id)
    asked.told.before = _shape(before).model_dump()
    return Done()
