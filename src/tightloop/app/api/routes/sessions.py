"""Sessions: those there are, how they stand, and what they are asked."""

from collections.abc import Mapping
from typing import Annotated, Any, cast

from fastapi import APIRouter, Header, Path, Query, Request

from tightloop.adapters.stores.index_reader import IndexQuery
from tightloop.app.api import starts
from tightloop.app.api.answers import lists
from tightloop.app.api.answers.paging import LIMIT, LIMIT_MAX
from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.engine_link import STOPPED, About
from tightloop.app.api.parts import GivenCaller, GivenParts, GivenRequest, Parts
from tightloop.app.api.routes.queries import Cursor, Limit
from tightloop.app.api.security.logins import Caller
from tightloop.app.api.shapes import sessions as shapes
from tightloop.app.api.shapes.common import Done
from tightloop.app.api.shapes.numbers import decimal_text, ns_text
from tightloop.app.api.shapes.rows import RowPage, Transition, given
from tightloop.ports.read_model import SESSION

router = APIRouter(prefix="/api/v1", tags=["sessions"])
Id = Annotated[str, Path(max_length=64)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", description="Random; the same one for a repeat.")]


def row_of(parts: Parts, about: About) -> shapes.SessionRow:
    """Return what a session is and how it stands."""
    session = str(about["id"])
    found = parts.reader.rows("sessions", IndexQuery(where={SESSION: session}, order=("seq",), limit=1))
    row: Mapping[str, Any] = found[0] if found else {}
    last_view, state = parts.link.last_view(session), parts.link.state(about)
    since = _of(about, "since_ns")
    return shapes.SessionRow.model_validate({
        "id": session, "mode": about["mode"], "venue": about["venue"], "url": about["url"],
        "account": _of(about, "account_name"), "state": state, "state_since_ts": ns_text(since),
        "reason": _of(about, "reason"), "started_ts": ns_text(about["made_ns"]),
        "ended_ts": ns_text(since) if state == STOPPED else None,
        "strategies": list(_of(about, "names") or about["strategies"]), "strategy_refs": refs_of(parts, session),
        "instruments": sorted(about["rules"]), "capital": decimal_text(_of(row, "capital")),
        "asset": _of(row, "asset"), "is_answering": parts.link.is_answering(session),
        "said_ts": ns_text(None if last_view is None else last_view.said_ns), "pid": parts.link.pid(about),
        "version": about["engine_version"], "config_hash": about["config_hash"],
    })  # fmt: skip


def refs_of(parts: Parts, session: str) -> list[str]:
    """Return the strategies that a session was started with here, as id@version; none if elsewhere."""
    kept = parts.store.meta(f"refs {session}")
    return kept.split(",") if kept else []


def _of(row: Mapping[str, Any], name: str) -> Any:
    return row.get(name, None)


@router.get("/sessions")
async def sessions(parts: GivenParts, limit: Limit = LIMIT, cursor: Cursor = None) -> RowPage[shapes.SessionRow]:
    """List the sessions of the home, the newest first; also those that were started in a terminal."""
    abouts = parts.link.abouts()
    if cursor is not None:
        names = [str(about["id"]) for about in abouts]
        if cursor not in names:
            raise HttpProblem("invalid", "the cursor is none of this list; ask without one for its beginning")
        abouts = abouts[names.index(cursor) + 1 :]
    page = abouts[:limit]
    rows = [row_of(parts, about) for about in page]
    return RowPage[shapes.SessionRow](items=rows, next=rows[-1].id if len(abouts) > limit else None)


@router.post("/sessions", status_code=201)
async def start(
    said: shapes.SessionStart, parts: GivenParts, caller: GivenCaller, asked: GivenRequest, key: Key = None
) -> shapes.Started:
    """Start a session, by the checks of `tightloop paper` and `tightloop live`; one that was killed goes on."""
    assert key is not None, "the guard asks for it"
    if said.venue not in parts.keeping.settings.venues:
        named = ", ".join(sorted(parts.keeping.settings.venues))
        raise HttpProblem("invalid", f"{said.venue!r} is none of the venues of this gateway: {named}")
    if said.mode == "live":
        _check_live(said, parts, caller)
    pairs = tuple(_version(parts, one) for one in said.strategies)
    wanted = starts.Start(
        mode=said.mode, strategies=pairs, venue=said.venue, instruments=tuple(said.instruments), account=said.account,
        on_exit=said.on_exit, login=said.login, confirm=said.confirm, override_paper=said.override_paper,
        who=caller.name,
    )  # fmt: skip
    answer = await starts.asked(parts.link.home, starts.request_name(caller.user, key), wanted, said.model_dump_json())
    if "session" not in answer:
        raise HttpProblem("refused", str(answer["error"]))
    asked.told.after = {"session": answer["session"], **said.model_dump(exclude={"confirm"})}
    refs = [f"{name}@{number}" for name, number in pairs]
    parts.store.set_meta(f"refs {answer['session']}", ",".join(refs))
    parts.store.set_meta(f"last start {caller.user}", said.model_dump_json(exclude={"confirm", "override_paper"}))
    return shapes.Started(session_id=answer["session"], note=_of(answer, "note"))


def _check_live(said: shapes.SessionStart, parts: Parts, caller: Caller) -> None:
    if not parts.keeping.settings.is_live_enabled:
        raise HttpProblem("live_not_enabled", "`tightloop up --enable-live` allows it; no page can")
    if not caller.is_browser or not parts.keeping.logins.is_proved(caller):
        raise HttpProblem("password_needed", "POST /api/v1/auth/confirm says it again; that lasts 5 minutes")
    if said.confirm != f"TRADE {said.login}":
        raise HttpProblem("refused", f'orders go out with money: confirm has the words "TRADE {said.login}"')


def _version(parts: Parts, reference: str) -> tuple[str, int]:
    """Return id and version of a reference. Raises HttpProblem."""
    name, _, number = reference.partition("@")
    found = parts.strategies.version(name, int(number)) if number else parts.strategies.newest(name)
    return found.strategy, found.number


@router.get("/sessions/defaults")
async def defaults(
    parts: GivenParts, caller: GivenCaller, strategy: Annotated[str | None, Query(max_length=64)] = None
) -> shapes.SessionStart:
    """Give what a start is prefilled with: the last start of this user, of a strategy if one is named."""
    kept = parts.store.meta(f"last start {caller.user}")
    if kept is not None:
        last = shapes.SessionStart.model_validate_json(kept)
        if strategy is None or last.strategies[0].partition("@")[0] == strategy:
            return last
    names = [strategy] if strategy is not None else parts.strategies.ids()[:1]
    if not names:
        raise HttpProblem("conflict", "there is no strategy yet; write one first")
    parts.strategies.newest(names[0])
    return shapes.SessionStart(strategies=names, venue=next(iter(parts.keeping.settings.venues)))


@router.get("/sessions/{id}")
async def session(id: Id, parts: GivenParts) -> shapes.SessionRow:
    """Give a session."""
    return row_of(parts, parts.link.about(id))


@router.get("/sessions/{id}/status")
async def status(id: Id, parts: GivenParts) -> shapes.SessionStatus:
    """Give what a session says of itself, at most 1 s old while it answers; else the last it said, with its time."""
    return status_of(parts, parts.link.about(id))


def status_of(parts: Parts, about: About) -> shapes.SessionStatus:
    """Return what a session said last."""
    session = str(about["id"])
    last_view = parts.link.last_view(session)
    view: Mapping[str, Any] = {} if last_view is None else last_view.view
    return shapes.SessionStatus(
        session_id=session, state=cast(shapes.State, parts.link.state(about)),
        is_answering=parts.link.is_answering(session),
        said_ts=ns_text(None if last_view is None else last_view.said_ns), seq=_of(view, "seq"),
        state_hash=_of(view, "state_hash"), equity=decimal_text(_of(view, "equity")),
        wallet=decimal_text(_of(view, "wallet")), feed_age_s=_of(view, "feed_age_s"),
        positions=[
            shapes.StatusPosition(
                symbol=row["symbol"], qty=decimal_text(row["qty"]) or "0", entry_price=decimal_text(row["entry"])
            )
            for row in _of(view, "positions") or ()
        ],
        orders=[_order(row) for row in _of(view, "orders") or ()],
        instances=[
            shapes.StatusInstance(
                strategy=row["name"], instrument=row["instrument"], state=row["state"], is_killed=row["killed"]
            )
            for row in _of(view, "instances") or ()
        ],
        unknown=list(_of(view, "unknown") or ()), refused=list(_of(view, "refused") or ()),
        warnings=list(_of(view, "warnings") or ()), held=dict(_of(view, "held") or {}),
    )  # fmt: skip


def _order(row: Mapping[str, Any]) -> shapes.StatusOrder:
    return shapes.StatusOrder(
        order_id=str(row["order_id"]), symbol=row["symbol"], side=row["side"], type=row["type"],
        qty=decimal_text(row["qty"]) or "0", price=decimal_text(row["price"]),
        stop_price=decimal_text(row["stop_price"]), reduce_only=row["reduce_only"], state=row["state"],
        filled_qty=decimal_text(row["cum_qty"]) or "0",
    )  # fmt: skip


@router.get("/sessions/{id}/transitions", response_model=RowPage[Transition])
async def transitions(id: Id, request: Request, parts: GivenParts, limit: Limit = LIMIT, cursor: Cursor = None) -> Any:
    """List the steps of a session's instances from state to state, the newest first."""
    parts.link.about(id)
    return lists.answer(request, parts.reader, "transitions", {SESSION: id}, cursor, limit)


@router.get("/sessions/{id}/conditions", response_model=shapes.Conditions)
async def conditions(id: Id, parts: GivenParts) -> Any:
    """Give, for each section, the conditions when it fired last and the nearest that they came in the last watch."""
    parts.link.about(id)
    sections: dict[tuple[int, str], dict[str, Any]] = {}
    for table, kind, order in (("conditions", "fired", ("seq", "n")), ("closest", "nearest", ("since_ts",))):
        last: dict[tuple[int, str], tuple[Any, ...]] = {}
        for row in parts.reader.rows(table, IndexQuery(where={SESSION: id}, order=(*order, "place"), limit=LIMIT_MAX)):
            key = (int(row["instance"] or 0), str(row["section"]))
            found = sections.setdefault(
                key, {"instance": key[0], "section": key[1], "fired": [], "nearest": []}
            )  # fmt: skip
            if last.setdefault(key, tuple(row[name] for name in order)) == tuple(row[name] for name in order):
                found[kind].insert(0, given(table, row))
    return {"sections": [sections[key] for key in sorted(sections)]}


async def _ask(parts: Parts, caller: Caller, session: str, key: str | None, request: dict[str, Any]) -> Done:
    """Ask a session in the name of a user; the key stands in its journal, so that a repeat gets the first answer."""
    said = await parts.link.ask(session, {"who": caller.name, "key": f"{caller.user}:{key}", "scope": "all", **request})
    return Done(outcome=str(said["outcome"]) if "outcome" in said else "done", note=_of(said, "note"))


@router.post("/sessions/{id}/pause")
async def pause(id: Id, parts: GivenParts, caller: GivenCaller, key: Key = None) -> Done:
    """Take no more entries; exits, stops and funding go on."""
    _check_mode(parts, caller, id)
    return await _ask(parts, caller, id, key, {"what": "pause"})


@router.post("/sessions/{id}/resume")
async def resume(id: Id, parts: GivenParts, caller: GivenCaller, key: Key = None) -> Done:
    """Take entries again."""
    _check_mode(parts, caller, id)
    return await _ask(parts, caller, id, key, {"what": "resume"})


@router.post("/sessions/{id}/stop")
async def stop(id: Id, said: shapes.SessionStop, parts: GivenParts, caller: GivenCaller, key: Key = None) -> Done:
    """End a session for good; positions are kept, or closed first."""
    _check_mode(parts, caller, id)
    return await _ask(parts, caller, id, key, {"what": "stop", "keep": said.on_exit == "keep"})


def _check_mode(parts: Parts, caller: Caller, session: str) -> None:
    """Refuse a trader's request to a session with money."""
    from_role = caller.role.name.lower()
    if parts.link.about(session)["mode"] == "live" and from_role not in ("operator", "admin"):
        raise HttpProblem("role_missing", f"a live session needs the role operator, yours is {from_role}")


@router.get("/market/venues", tags=["market"])
async def venues(parts: GivenParts) -> list[shapes.VenueShape]:
    """List the venues that sessions may be started on; `tightloop up` was told of them."""
    settings = parts.keeping.settings
    modes: list[Any] = ["paper", *(["live"] if settings.is_live_enabled else [])]
    return [
        shapes.VenueShape(venue=name, url=url, is_sandbox=url is not None, modes=modes)
        for name, url in settings.venues.items()
    ]
