"""Strategies, signals, risk, the system."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from tightloop.app.api.shapes.common import ClientShape, Decimal, FaultShape, Ns
from tightloop.app.api.shapes.rows import Condition, Signal


class StrategyText(ClientShape):
    """A strategy file."""

    yaml: str = Field(max_length=200_000)


class StrategyRow(BaseModel):
    """A strategy of the home. ``version``: the newest; ``problem``: why it cannot be read."""

    id: str
    name: str | None
    family: str | None
    version: int
    hash: str
    made_ts: Ns
    running: list[str]
    problem: str | None


class StrategyVersion(BaseModel):
    """One version of a strategy, as it was written."""

    id: str
    version: int
    hash: str
    made_ts: Ns
    yaml: str


class VersionRow(BaseModel):
    """A version of a strategy."""

    version: int
    hash: str
    made_ts: Ns


class StrategyVerdict(BaseModel):
    """Whether a strategy file is right, and all that is wrong with it."""

    is_valid: bool
    name: str | None
    family: str | None
    instruments: list[str]
    config_hash: str | None
    errors: list[FaultShape]


class Why(BaseModel):
    """A signal with every condition it had."""

    signal: Signal
    conditions: list[Condition]


class KillSwitchState(BaseModel):
    """For which scopes entries are stopped and positions closed."""

    engaged: list[str]
    is_readable: bool


class Kill(ClientShape):
    """Engage the kill switch. ``scope``: all, strategy:N or symbol:S."""

    scope: str = Field(
        default="all", max_length=80, pattern=r"^(all|strategy:[1-9][0-9]{0,5}|symbol:[A-Z0-9._-]{1,40})$"
    )
    reason: str = Field(default="", max_length=500)


class KillDone(BaseModel):
    """What the kill switch reached. ``told``: sessions that answered; ``silent``: those that follow the file alone."""

    scope: str
    told: list[str]
    silent: list[str]
    open: list[str]


class Component(BaseModel):
    """A part of the platform."""

    name: str
    state: Literal["ok", "degraded", "down"]
    reason: str
    since_ts: Ns | None
    age_s: float | None


class Components(BaseModel):
    """All parts."""

    items: list[Component]


class HealthState(BaseModel):
    """Whether the gateway answers."""

    status: Literal["ok", "degraded"]
    version: str


class VersionShape(BaseModel):
    """What runs. ``schema_hash``: of the OpenAPI document."""

    version: str
    api: str
    boot_id: str
    server_time_ns: Ns
    is_live_enabled: bool


class AuditShape(BaseModel):
    """One act of a user."""

    n: int
    ts: Ns
    who: str
    address: str
    what: str
    target: str
    status: int
    problem: str
    request_id: str
    before: Any
    after: Any


class LogLines(BaseModel):
    """The end of a log."""

    component: str
    lines: list[str]


class Equity(BaseModel):
    """A point of the equity of a session."""

    ts: Ns
    equity: Decimal | None
