"""Query parameters that lists share."""

from typing import Annotated

from fastapi import Query

from tightloop.app.api.answers.paging import CURSOR_CHARACTERS_MAX, LIMIT_MAX

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
Cursor = Annotated[str | None, Query(max_length=CURSOR_CHARACTERS_MAX)]
Session = Annotated[str | None, Query(max_length=64, description="Of this session alone.")]
InstrumentFilter = Annotated[str | None, Query(max_length=64)]
