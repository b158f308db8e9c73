"""Kinds of values: money as decimal texts, times as texts of nanoseconds, ids."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

DECIMAL_PATTERN = r"^-?\d+(\.\d+)?$"
Decimal = Annotated[str, Field(pattern=DECIMAL_PATTERN, description="A decimal number, never with an exponent.")]
Ns = Annotated[str, Field(pattern=r"^-?\d{1,19}$", description="Nanoseconds UTC.")]
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
Name = Annotated[str, Field(pattern=ID_PATTERN)]


class ClientShape(BaseModel):
    """What a client sends: nothing but what is named."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class FaultShape(BaseModel):
    """One thing that is wrong."""

    path: str
    line: int | None
    field: str
    detail: str
    remedy: str


class ProblemShape(BaseModel):
    """Why a request is not carried out (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:tightloop:problem:not_found", "title": "There is no such thing", "status": 404,
                "detail": "there is no session 'paper-0'", "code": "not_found", "request_id": "6f1d2c3b4a5e6f70",
                "errors": [],
            }
        }
    )  # fmt: skip

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FaultShape]


class Done(BaseModel):
    """It was done. ``note``: what else there is to say."""

    outcome: str = "done"
    note: str | None = None


Tree = dict[str, Any]
