"""Logins, users, keys and settings."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from tightloop.app.api.shapes.common import ClientShape, Name, Ns


class RoleName(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    TRADER = "trader"
    OPERATOR = "operator"
    ADMIN = "admin"


class SetUp(ClientShape):
    """The first administrator. ``code``: of the link that `tightloop up` prints."""

    code: str = Field(max_length=100)
    name: Name
    password: str = Field(max_length=1_000)


class LogIn(ClientShape):
    """Name and password."""

    name: str = Field(max_length=64)
    password: str = Field(max_length=1_000)


class Confirmation(ClientShape):
    """The password again, for what asks for it within the next 5 minutes."""

    password: str = Field(max_length=1_000)


class PasswordChange(ClientShape):
    """Another password; all other logins end."""

    old: str = Field(max_length=1_000)
    new: str = Field(max_length=1_000)


class Me(BaseModel):
    """Who is signed in. ``csrf``: for the header X-CSRF-Token; null for a key."""

    user_id: str
    name: str
    role: RoleName
    csrf: str | None
    csrf_expires_ns: Ns | None
    is_proved: bool


class Csrf(BaseModel):
    """For the header X-CSRF-Token of what changes something."""

    token: str
    expires_ns: Ns


class LoginShape(BaseModel):
    """A browser that is signed in."""

    id: str
    made_ts: Ns
    used_ts: Ns
    address: str
    agent: str
    is_this: bool


class KeyWanted(ClientShape):
    """A key for a script: it does what its role may, and never more than its user."""

    name: str = Field(min_length=1, max_length=64)
    role: RoleName = RoleName.VIEWER


class KeyShape(BaseModel):
    """A key, without what it is. ``used_ts``: null: never."""

    id: str
    name: str
    role: RoleName
    made_ts: Ns
    used_ts: Ns | None


class KeyMade(BaseModel):
    """A key that was made; it is shown this once, and goes into the header `Authorization: Bearer KEY`."""

    id: str
    key: str


class UserWanted(ClientShape):
    """A user to be added."""

    name: Name
    role: RoleName
    password: str = Field(max_length=1_000)


class UserChange(ClientShape):
    """What a user becomes."""

    role: RoleName | None = None
    is_disabled: bool | None = None


class UserShape(BaseModel):
    """A user."""

    id: str
    name: str
    role: RoleName
    is_disabled: bool
    made_ts: Ns
    revision: int


class DisplaySettings(ClientShape):
    """How a user wants to see the pages."""

    theme: Literal["dark", "light", "system"] = "system"
    density: Literal["compact", "comfortable"] = "comfortable"
    language: Literal["en", "pl"] = "en"
    time_zone: Literal["local", "utc"] = "local"
    is_sound_on: bool = True
    are_keys_on: bool = True
    keys: dict[str, str] = Field(default_factory=dict, max_length=60)
