"""Strategies of the home: versions of files, and whether a text is right."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from tightloop.app.api.answers import etags
from tightloop.app.api.answers.problems import HttpProblem, RequestFault
from tightloop.app.api.parts import GivenParts, GivenRequest, Parts
from tightloop.app.api.routes.sessions import refs_of
from tightloop.app.api.shapes import trading as shapes
from tightloop.app.api.shapes.common import Done
from tightloop.app.api.strategies.files import Version

router = APIRouter(prefix="/api/v1/strategies", tags=["strategies"])
StrategyId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
IfMatch = Annotated[str | None, Header()]


def _row(parts: Parts, version: Version) -> shapes.StrategyRow:
    running = [
        str(about["id"]) for about in parts.link.abouts()
        if any(name.startswith(f"{version.strategy}@") for name in refs_of(parts, str(about["id"])))
        and parts.link.pid(about) is not None
    ]  # fmt: skip
    return shapes.StrategyRow(
        id=version.strategy, name=version.said("name"), family=version.said("family"), version=version.number,
        hash=version.hash, made_ts=str(version.made_ns), running=running, problem=None,
    )  # fmt: skip


def _shape(version: Version) -> shapes.StrategyVersion:
    return shapes.StrategyVersion(
        id=version.strategy, version=version.number, hash=version.hash, made_ts=str(version.made_ns), yaml=version.text
    )


@router.get("")
async def strategies(parts: GivenParts) -> list[shapes.StrategyRow]:
    """List the strategies of the home."""
    files = parts.strategies
    return [_row(parts, files.newest(name)) for name in files.ids()]


@router.post("/validate")
async def validate(said: shapes.StrategyText, parts: GivenParts) -> shapes.StrategyVerdict:
    """Say what is wrong with a strategy file, all at once, with lines; nothing is kept."""
    return shapes.StrategyVerdict(**await parts.checks.verdict(said.yaml))


@router.get("/{id}")
async def strategy(id: StrategyId, parts: GivenParts, response: Response) -> shapes.StrategyVersion:
    """Give the newest version of a strategy; its ETag is the number."""
    found = parts.strategies.newest(id)
    etags.give(response, found.number)
    return _shape(found)


@router.put("/{id}")
async def write(
    id: StrategyId, said: shapes.StrategyText, parts: GivenParts, asked: GivenRequest, response: Response,
    if_match: IfMatch = None,
) -> shapes.StrategyVersion:  # fmt: skip
    """Write another version. If-Match: the newest that was seen, "0" for a strategy that is not there yet."""
    numbers = parts.strategies.numbers(id)
    newest = numbers[-1] if numbers else 0
    etags.check(if_match, newest)
    verdict = await parts.checks.verdict(said.yaml)
    if not verdict["is_valid"]:
        raise HttpProblem(
            "refused", "the strategy has faults", errors=[RequestFault(**one) for one in verdict["errors"]]
        )
    found = parts.strategies.write(id, said.yaml, newest + 1)
    asked.told.after = {"id": id, "version": found.number, "hash": found.hash}
    etags.give(response, found.number)
    return _shape(found)


@router.delete("/{id}")
async def remove(id: StrategyId, parts: GivenParts, asked: GivenRequest, if_match: IfMatch = None) -> Done:
    """Remove a strategy; sessions have copies of their own. If-Match: the newest version that was seen."""
    found = parts.strategies.newest(id)
    etags.check(if_match, found.number)
    parts.strategies.remove(id)
    asked.told.before = {"id": id, "version": found.number, "hash": found.hash}
    return Done()


@router.get("/{id}/versions")
async def versions(id: StrategyId, parts: GivenParts) -> list[shapes.VersionRow]:
    """List the versions of a strategy, the newest first."""
    parts.strategies.newest(id)
    found = [parts.strategies.version(id, number) for number in reversed(parts.strategies.numbers(id))]
    return [shapes.VersionRow(version=one.number, hash=one.hash, made_ts=str(one.made_ns)) for one in found]


@router.get("/{id}/versions/{n}")
async def version(
    id: StrategyId, n: Annotated[int, Path(ge=1, le=9_999_999)], parts: GivenParts
) -> shapes.StrategyVersion:
    """Give a version of a strategy."""
    return _shape(parts.strategies.version(id, n))
