"""Every message of the WebSocket. They are in the OpenAPI document, so that types of both sides come from here."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from tightloop.app.api.shapes.common import ClientShape, Ns

StreamName = Annotated[
    str,
    Field(
        pattern=r"^(sessions|system|positions|orders|fills|signals|risk|(session|status|values)/[A-Za-z0-9-]{1,64})$"
    ),
]
Place = Annotated[str, Field(pattern=r"^[0-9a-f]{1,32}\.[0-9]{1,18}$", description="Of the read model: `index_id.c`.")]


class StreamWanted(ClientShape):
    """A stream, and what was seen of it last."""

    stream: StreamName
    after: Place | None = None


class Subscribe(ClientShape):
    """Follow streams: each answers with a snapshot, or with what came after the place that was seen."""

    type: Literal["subscribe"]
    streams: list[StreamWanted] = Field(min_length=1, max_length=50)


class Unsubscribe(ClientShape):
    """Follow streams no more."""

    type: Literal["unsubscribe"]
    streams: list[StreamName] = Field(min_length=1, max_length=50)


class Ping(ClientShape):
    """Ask for the time."""

    type: Literal["ping"]
    id: str = Field(default="", max_length=64)


class HelloMessage(BaseModel):
    """The first message. Another ``boot_id`` than before: the gateway was started again."""

    type: Literal["hello"] = "hello"
    server_time_ns: Ns
    boot_id: str
    schema_version: str


class SnapshotMessage(BaseModel):
    """The state of a stream now; null with a reason where there is none. It replaces what was known."""

    type: Literal["snapshot"] = "snapshot"
    stream: str
    seq: str | None
    state: Any
    reason: str = ""


class RowChange(BaseModel):
    """A row as it is now; null: it is gone."""

    table: str
    id: str
    row: dict[str, Any] | None


class DeltaMessage(BaseModel):
    """All that changed in a stream after ``from_seq`` up to ``seq``; who has less than ``from_seq`` has missed some."""

    type: Literal["delta"] = "delta"
    stream: str
    seq: str
    from_seq: str
    changes: list[RowChange]


class ValueEntry(BaseModel):
    """A value that moves: when it was known, and how often it comes."""

    key: str
    value: str | None
    ts_ns: Ns
    cadence_ms: int


class ValuesMessage(BaseModel):
    """The last of each value; those between were left out."""

    type: Literal["values"] = "values"
    stream: str
    entries: list[ValueEntry]


class GapMessage(BaseModel):
    """Rows of a stream were left out, because they were not read in time; a snapshot follows."""

    type: Literal["gap"] = "gap"
    stream: str
    missed: int


class PongMessage(BaseModel):
    """The time."""

    type: Literal["pong"] = "pong"
    id: str
    server_time_ns: Ns


class NoticeMessage(BaseModel):
    """Something about the connection; it goes on."""

    type: Literal["notice"] = "notice"
    level: Literal["info", "warning"]
    code: str
    text: str


class ByeMessage(BaseModel):
    """The connection ends. ``retry_ms``: when to come again; null: not before signing in."""

    type: Literal["bye"] = "bye"
    reason: Literal["slow", "unauthorized", "too_many", "malformed", "closing"]
    retry_ms: int | None


ClientMessage = Annotated[Subscribe | Unsubscribe | Ping, Field(discriminator="type")]
ServerMessage = Annotated[
    HelloMessage
    | SnapshotMessage
    | DeltaMessage
    | ValuesMessage
    | GapMessage
    | PongMessage
    | NoticeMessage
    | ByeMessage,
    Field(discriminator="type"),
]
CLIENT: TypeAdapter[Subscribe | Unsubscribe | Ping] = TypeAdapter(ClientMessage)
SERVER: TypeAdapter[Any] = TypeAdapter(ServerMessage)
