"""Signing in and out, who one is, keys for scripts."""

from fastapi import APIRouter, Request, Response

from tightloop.app.api.answers.headers import header
from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.parts import GivenCaller, GivenParts, GivenRequest, Parts
from tightloop.app.api.security.guard import GuardedRequest, cookie_names, cookies_of
from tightloop.app.api.security.logins import REFRESH_NS, SECOND, Caller, Tokens
from tightloop.app.api.security.passwords import check_strength
from tightloop.app.api.security.roles import UserRole, role_of
from tightloop.app.api.shapes import auth as shapes
from tightloop.app.api.shapes.common import Done

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])


@router.post("/setup")
async def set_up(said: shapes.SetUp, parts: GivenParts, asked: GivenRequest, response: Response) -> shapes.Me:
    """Make the first administrator by the code that `tightloop up` printed, and sign in."""
    asked.told.who = said.name
    users = parts.keeping.users
    users.check_setup(said.code)
    check_strength(said.password, said.name)
    user = users.set_up(said.code, said.name, await parts.passwords.hash(said.password))
    return _signed_in(parts, asked, response, user)


@router.post("/login")
async def log_in(
    said: shapes.LogIn, parts: GivenParts, asked: GivenRequest, request: Request, response: Response
) -> shapes.Me:
    """Sign in. A login that the browser had before ends."""
    asked.told.who = said.name[:64]
    throttle, name = parts.keeping.throttle, said.name.casefold()
    tried = f"name {name} from {asked.address}"  # others who try a name do not lock out whom it belongs to
    throttle.take("login", tried)
    throttle.check_failures(tried)
    user = parts.keeping.users.named(name)
    is_right = await parts.passwords.verify(None if user is None else user["hash"], said.password)
    if user is None or not is_right or user["is_disabled"]:
        throttle.failed(tried)
        raise HttpProblem("login_refused", "name or password is wrong")
    throttle.succeeded(tried)
    before = parts.keeping.logins.caller(_cookie(request, parts, 0))
    if before is not None:
        parts.keeping.logins.end(before.login)
    return _signed_in(parts, asked, response, str(user["id"]))


def _cookie(request: Request, parts: Parts, which: int) -> str:
    found, name = cookies_of(request.headers), cookie_names(parts.keeping.settings)[which]
    return found.get(name, "")


def _signed_in(parts: Parts, asked: GuardedRequest, response: Response, user: str) -> shapes.Me:
    agent = header(asked.headers, "user-agent")
    tokens = parts.keeping.logins.begin(user, asked.address, agent)
    _set_cookies(parts, response, tokens)
    caller = parts.keeping.logins.caller(tokens.access)
    assert caller is not None, "it was made now"
    return _me(parts, caller)


def _set_cookies(parts: Parts, response: Response, tokens: Tokens | None) -> None:
    """Give a browser its tokens; None takes them away."""
    values = ("", "") if tokens is None else (tokens.access, tokens.refresh)
    for name, value in zip(cookie_names(parts.keeping.settings), values, strict=True):
        response.set_cookie(
            name, value, max_age=REFRESH_NS // SECOND if tokens else 0, path="/", httponly=True, samesite="strict",
            secure=parts.keeping.settings.is_secure,
        )  # fmt: skip


def _me(parts: Parts, caller: Caller) -> shapes.Me:
    token, ends_ns = parts.keeping.logins.csrf(caller.login) if caller.is_browser else (None, None)
    return shapes.Me(
        user_id=caller.user, name=caller.name, role=shapes.RoleName(caller.role.name.lower()), csrf=token,
        csrf_expires_ns=None if ends_ns is None else str(ends_ns),
        is_proved=caller.is_browser and parts.keeping.logins.is_proved(caller),
    )  # fmt: skip


@router.post("/refresh")
async def refresh(parts: GivenParts, asked: GivenRequest, request: Request, response: Response) -> Done:
    """Replace the tokens in the cookies. Of two tabs that do so at once, the second is told that it was done."""
    tokens = parts.keeping.logins.renew(_cookie(request, parts, 1))
    if tokens is None:
        return Done(note="another tab has done it")
    caller = parts.keeping.logins.caller(tokens.access)
    asked.told.who = "" if caller is None else caller.name
    _set_cookies(parts, response, tokens)
    return Done()


@router.post("/logout")
async def log_out(parts: GivenParts, caller: GivenCaller, response: Response) -> Done:
    """Sign out."""
    parts.keeping.logins.end(caller.login)
    _set_cookies(parts, response, None)
    return Done()


@router.post("/logout-all")
async def log_out_everywhere(parts: GivenParts, caller: GivenCaller, response: Response) -> Done:
    """Sign out in every browser."""
    parts.keeping.logins.end_all(caller.user)
    _set_cookies(parts, response, None)
    return Done()


@router.post("/password")
async def change_password(said: shapes.PasswordChange, parts: GivenParts, caller: GivenCaller) -> Done:
    """Change the password; all other logins and no key end."""
    await _check_password(parts, caller, said.old)
    check_strength(said.new, caller.name)
    parts.keeping.users.set_password(caller.user, await parts.passwords.hash(said.new))
    parts.keeping.logins.end_all(caller.user, but=caller.login)
    return Done()


async def _check_password(parts: Parts, caller: Caller, password: str) -> None:
    throttle, tried = parts.keeping.throttle, f"login {caller.login or caller.key}"
    throttle.check_failures(tried)
    if not await parts.passwords.verify(parts.keeping.users.user(caller.user)["hash"], password):
        throttle.failed(tried)
        raise HttpProblem("login_refused", "the password is wrong")
    throttle.succeeded(tried)


@router.post("/confirm")
async def confirm(said: shapes.Confirmation, parts: GivenParts, caller: GivenCaller) -> Done:
    """Say the password again: what asks for that is allowed for 5 minutes."""
    await _check_password(parts, caller, said.password)
    parts.keeping.logins.prove(caller.login)
    return Done()


@router.get("/me")
async def me(parts: GivenParts, caller: GivenCaller) -> shapes.Me:
    """Tell who is signed in."""
    return _me(parts, caller)


@router.get("/csrf")
async def csrf(parts: GivenParts, caller: GivenCaller) -> shapes.Csrf:
    """Give a token for the header X-CSRF-Token; a key needs none."""
    token, ends_ns = parts.keeping.logins.csrf(caller.login)
    return shapes.Csrf(token=token, expires_ns=str(ends_ns))


@router.get("/sessions")
async def logins(parts: GivenParts, caller: GivenCaller) -> list[shapes.LoginShape]:
    """List the browsers that are signed in as this user."""
    return [
        shapes.LoginShape(
            id=row["id"], made_ts=str(row["made_ts"]), used_ts=str(row["used_ts"]), address=row["address"],
            agent=row["agent"], is_this=row["id"] == caller.login,
        )
        for row in parts.keeping.logins.of_user(caller.user)
    ]  # fmt: skip


@router.delete("/sessions/{id}")
async def end_login(id: str, parts: GivenParts, caller: GivenCaller) -> Done:
    """Sign a browser out."""
    if not parts.keeping.logins.end(id, caller.user):
        raise HttpProblem("not_found", "there is no such login of yours")
    return Done()


@router.get("/keys")
async def keys(parts: GivenParts, caller: GivenCaller) -> list[shapes.KeyShape]:
    """List the keys of this user."""
    return [
        shapes.KeyShape(
            id=row["id"], name=row["name"], role=shapes.RoleName(UserRole(row["role"]).name.lower()),
            made_ts=str(row["made_ts"]), used_ts=None if row["used_ts"] is None else str(row["used_ts"]),
        )
        for row in parts.keeping.logins.keys(caller.user)
    ]  # fmt: skip


@router.post("/keys", status_code=201)
async def make_key(said: shapes.KeyWanted, parts: GivenParts, caller: GivenCaller) -> shapes.KeyMade:
    """Make a key for a script; it is shown this once."""
    role = min(role_of(said.role), caller.role)
    key_id, key = parts.keeping.logins.make_key(caller.user, said.name, role)
    return shapes.KeyMade(id=key_id, key=key)


@router.delete("/keys/{id}")
async def end_key(id: str, parts: GivenParts, caller: GivenCaller) -> Done:
    """End a key."""
    if not parts.keeping.logins.end_key(id, caller.user):
        raise HttpProblem("not_found", "there is no such key of yours")
    return Done()
