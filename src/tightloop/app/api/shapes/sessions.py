"""Sessions: what is started, what runs, how it stands."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tightloop.app.api.shapes.common import ClientShape, Decimal, Name, Ns
from tightloop.app.api.shapes.rows import Condition, NearMiss

StrategyRef = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(@[1-9][0-9]{0,6})?$")]
InstrumentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$")]
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
State = Literal["STARTING", "RECOVERING", "RECONCILING", "RUNNING", "PAUSED", "STOPPING", "STOPPED", "ERROR", "KILLED"]


class SessionStart(ClientShape):
    """What `tightloop paper` and `tightloop live` are told. ``strategies``: ids, or id@version."""

    mode: Literal["paper", "live"] = "paper"
    strategies: list[StrategyRef] = Field(min_length=1, max_length=20)
    venue: Name
    instruments: list[InstrumentName] = Field(default_factory=list, max_length=50)
    account: Literal["research"] | None = None
    on_exit: Literal["keep", "flatten"] = "keep"
    login: Name = "main"
    confirm: Line | None = Field(default=None, max_length=100, description='Live: the words "TRADE <login>".')
    override_paper: Line | None = Field(default=None, max_length=500, description="Live: why without paper criteria.")


class Started(BaseModel):
    """The session that runs now."""

    session_id: str
    note: str | None = None


class SessionStop(ClientShape):
    """How a session ends: positions kept, or closed first."""

    on_exit: Literal["keep", "flatten"] = "keep"


class SessionRow(BaseModel):
    """A session. ``strategies``: names; ``strategy_refs``: id@version, of one started here.

    ``state`` KILLED: its process is gone; ``is_answering``: it said something in the last 3 s."""

    id: str
    mode: str
    venue: str
    url: str | None
    account: str | None
    state: State
    state_since_ts: Ns | None
    reason: str | None
    started_ts: Ns
    ended_ts: Ns | None
    strategies: list[str]
    strategy_refs: list[str]
    instruments: list[str]
    capital: Decimal | None
    asset: str | None
    is_answering: bool
    said_ts: Ns | None
    pid: int | None
    version: str
    config_hash: list[str]


class StatusPosition(BaseModel):
    """A position as its session holds it. ``qty``: signed base units."""

    symbol: str
    qty: Decimal
    entry_price: Decimal | None


class StatusOrder(BaseModel):
    """An order as it rests."""

    order_id: str
    symbol: str
    side: str
    type: str
    qty: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    reduce_only: bool
    state: str
    filled_qty: Decimal


class StatusInstance(BaseModel):
    """A strategy on an instrument."""

    strategy: str
    instrument: str
    state: str
    is_killed: bool


class SessionStatus(BaseModel):
    """What a session says of itself, and when. ``is_answering`` false: the last it said, now old."""

    session_id: str
    state: State
    is_answering: bool
    said_ts: Ns | None
    seq: int | None
    state_hash: str | None
    equity: Decimal | None
    wallet: Decimal | None
    feed_age_s: float | None
    positions: list[StatusPosition]
    orders: list[StatusOrder]
    instances: list[StatusInstance]
    unknown: list[Any]
    refused: list[Any]
    warnings: list[Any]
    held: dict[str, str]


class SectionConditions(BaseModel):
    """A section of an instance: the conditions when it fired last, and the nearest that they came since."""

    instance: int
    section: str
    fired: list[Condition]
    nearest: list[NearMiss]


class Conditions(BaseModel):
    """Why, and why not yet, for each section of a session."""

    sections: list[SectionConditions]


class VenueShape(BaseModel):
    """A venue that sessions may be started on. ``url``: where, if not at its own address."""

    venue: str
    url: str | None
    is_sandbox: bool
    modes: list[Literal["paper", "live"]]
