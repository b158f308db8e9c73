"""Whether the gateway answers, and whether all that it needs does."""

from fastapi import APIRouter

from tightloop import __version__
from tightloop.app.api.parts import GivenParts
from tightloop.app.api.routes.system import components_of
from tightloop.app.api.shapes import trading as shapes

router = APIRouter(prefix="/health", tags=["health"])


@router.get("")
async def health() -> shapes.HealthState:
    """Answer: the gateway runs."""
    return shapes.HealthState(status="ok", version=__version__)


@router.get("/ready")
async def ready(parts: GivenParts) -> shapes.HealthState:
    """Answer whether the gateway's own files can be read; 503 if not."""
    parts.store.meta("ready")
    return shapes.HealthState(status="ok", version=__version__)


@router.get("/deep")
async def deep(parts: GivenParts) -> shapes.Components:
    """Tell how each part of the platform stands."""
    return shapes.Components(items=await components_of(parts))
