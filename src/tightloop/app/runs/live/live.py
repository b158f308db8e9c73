"""``tightloop live``: strategies on a venue's market, orders at the venue.

Beside what a paper session does (``paper.py``), this file finds out whether the account may be traded by a session,
opens the private stream, and lets desk, comparison and step follow each other. ``runtime/session/account`` has what
they do; here is when.

    lease    by the account that the venue names: one session an account, whatever the key
    ready    when a comparison agreed and every position with a planned stop has it at the venue, or an exit under way
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tightloop.adapters.stores.home import Home, Lease
from tightloop.app.runs.live import desks, files
from tightloop.app.runs.live.account import criteria, starting
from tightloop.app.runs.live.account.asking import Asking
from tightloop.app.runs.live.account.client import AccountClient, credentials_of
from tightloop.app.runs.live.account.start_refusals import raise_any
from tightloop.app.runs.live.account.stream import ReportStream
from tightloop.app.runs.live.files import Prepared
from tightloop.app.runs.live.machine import Machine, loop_factory
from tightloop.app.runs.live.options import PaperOptions, SessionEnd
from tightloop.app.runs.live.paper import SessionHeld
from tightloop.app.runs.live.run import Say, SessionRun
from tightloop.app.runs.live.venues import TROUBLE, ChosenVenue, chosen
from tightloop.app.runs.live.watching.winding_down import kept_at_venue
from tightloop.core.domain.enums import EventKind, Origin, Pause, Reason, SessionControl
from tightloop.core.domain.types import Rows
from tightloop.model.errors import InputError
from tightloop.model.signal.plan import Plan
from tightloop.ports import execution as ex
from tightloop.ports.market_data import VenueMark
from tightloop.ports.transport import HttpCall, Lane, NoAnswer, NotSent
from tightloop.runtime.session import told
from tightloop.runtime.session.account.answers import event_of
from tightloop.runtime.session.account.driver import AccountDriver
from tightloop.runtime.session.account.inputs import AccountInput, InputKind
from tightloop.runtime.session.account.passed_stops import PassedStops
from tightloop.runtime.session.account.ready import are_stops_confirmed, awaited_ids, is_awaiting, tell_gate
from tightloop.runtime.session.account.recovery import AccountRepetition
from tightloop.runtime.session.account.rounds import Rounds
from tightloop.runtime.session.account.view import account_view
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.records import Ask, Note, NoteKind, VenueAnswer
from tightloop.runtime.session.driver.operator import gate_of
from tightloop.runtime.session.driver.session import Repetition, StepFailed
from tightloop.runtime.session.driver.states import SessionState
from tightloop.runtime.session.driver.view import View
from tightloop.runtime.session.journal.layout import RecordKind
from tightloop.runtime.session.reconcile.records import Finding, FindingKind
from tightloop.runtime.session.reconcile.rules import RulesChanged

ROUND_S, ROUND_SOON_S = 10.0, 1.0
QUICK_S = (0.2, 0.2, 0.3, 0.5, 0.5, 1.0, 1.0, 2.0, 5.0)
"""Waits after rounds while the session is not ready; the last one again and again."""
SYNC_LOOK_S = 0.0005
ANSWER_AFTER_S = 5.0
"""For how long a request is awaited beyond the time after which the desk takes it as not answered."""
SKEW_TOLD_S, SKEW_MAX_S = 1.0, 5.0
"""How far our clock may be off the venue's before it is said, and before entries stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions(PaperOptions):
    """Options of ``tightloop live``. ``override``: why the paper criteria need not be met, None: they must.

    ``is_power_safe``: an entry leaves only once its record survives a loss of power.
    """

    login: str
    override: str | None
    is_power_safe: bool = False


def live(names: tuple[Path, ...], options: LiveOptions, say: Say, on_second: Callable[[View], None]) -> SessionEnd:
    """Run a session to its end. Raises InputError, AccountRefused, SessionHeld, VenueUnreachable."""
    machine = Machine(Home(options.home), is_followed=True)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(life(names, options, say, on_second, machine))


async def life(
    names: tuple[Path, ...], options: LiveOptions, say: Say, on_second: Callable[[View], None],
    machine: Machine,
) -> SessionEnd:  # fmt: skip
    """Run one life of a session, from the first look at the files on. Raises as ``live``."""
    starting.refuse_carry(names)
    venue = chosen(options.venue, options.url)
    if venue.carrier is not None:
        message, remedy = f"{venue.name} has market data alone", "use it with `tightloop paper`"
        raise InputError.one("command line", None, "--venue", message, remedy)
    credentials = credentials_of(options.venue, options.login)
    prepared = files.prepare(names, venue, instruments=options.instruments, account=options.account)
    leverages = starting.leverages_of(prepared.strategies, venue.dialect)
    home = machine.home
    home.make()
    if not files.is_any_open(home, prepared, venue.name, desks.KIND):  # nothing is asked of the venue in vain
        raise_any(home, criteria.refusals(home, prepared, venue.name, options.override))
    asking = Asking(venue, credentials, machine)
    account_name = await asking.account_name()
    prepared = files.named(prepared, venue, desks.KIND, account_name)
    found = home.take(prepared.lease)
    if not isinstance(found, Lease):
        raise SessionHeld(str(found["session"]), int(found["pid"]))
    try:
        is_new = files.killed(home, prepared.key) is None
        refused = criteria.refusals(home, prepared, venue.name, options.override) if is_new else []
        refused += await asking.refusals(prepared.strategies, leverages, is_new=is_new)
        raise_any(home, refused)
        await asking.set_up(leverages)
        run = LiveRun(prepared, venue, machine, found, options, say, on_second, asking, account_name)
        return await run.run()
    finally:
        found.close()


class LiveRun(SessionRun):
    """One life of a live session."""

    has_venue = False

    def __init__(
        self, prepared: Prepared, venue: ChosenVenue, machine: Machine, lease: Lease, options: LiveOptions, say: Say,
        on_second: Callable[[View], None], asking: Asking, account_name: str,
    ) -> None:  # fmt: skip
        super().__init__(prepared, venue, machine, lease, options, say, on_second)
        self._credentials, self._venue_clock, self._budget = asking.credentials, asking.clock, asking.budget
        self._account_name, self._override = account_name, options.override
        self._login, self._is_power_safe = options.login, options.is_power_safe
        self._client: AccountClient
        self._account: AccountDriver
        self._rounds: Rounds
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._look_soon, self._clock_soon = asyncio.Event(), asyncio.Event()
        self._passed_stops = PassedStops()
        self._is_ready = self._is_strange = self._is_clock_off = False
        self._engines_told: set[tuple[str, str]] = set()
        self._reports: ReportStream

    # Starting

    def _stated(self) -> dict[str, Any]:
        return {"account_name": self._account_name, "login": self._login, "override_paper": self._override}

    def _repetition(self, plan: Plan) -> AccountRepetition:
        return desks.repetition(plan, self._about)

    def _go_on(self) -> None:
        """Take no entries before the session is ready, nor by a timer that was due while there was no process."""
        self._session.intake.put_after_last(told.control(SessionControl.NOT_READY))

    async def _connect(self, begun: Repetition | None) -> None:
        """Restore the desk, or begin one; nothing may be entered before the session is ready."""
        session, dialect = self._session, self._venue.dialect
        client = self._client = AccountClient(
            dialect, self._transport, self._credentials, self._clock.now_ns, self._venue_clock, self._budget,
            self._on_limited,
        )  # fmt: skip
        repetition = begun.account if begun is not None else None
        if not isinstance(repetition, AccountRepetition) or not repetition.has_begun:
            fold = desks.begin(session.plan, self._about, self._journal.epoch)
            given = AccountInput(InputKind.BEGUN, self._clock.now_ns(), self._journal.epoch)
            self._journal.append(RecordKind.ANSWER, given.packed())
        else:
            fold = repetition.fold
        account = self._account = AccountDriver(
            fold, dialect, self._credentials, self._journal, session.intake, self._clock.now_ns,
            client.clock.offset_ns, self._send,
        )  # fmt: skip
        account.on_note, account.on_strange, account.on_turn = self._on_note, self._on_strange, self._arm
        account.on_answer = self._on_answer
        if begun is None:
            session.intake.put_event(told.control(SessionControl.NOT_READY))
        self._feed.on_mark, self._feed.on_limited = self._take_mark, self._on_limited
        if begun is None and self._override is not None:
            self._journal.append(RecordKind.OPERATOR, criteria.overridden(self._login, self._override))
        if "begun_venue_ns" not in self._about:
            self._about["begun_venue_ns"] = self._venue_ns()
            self._home.write_session(self._about["id"], self._about)
        self._rounds = Rounds(
            session.plan, account, self._ask, dict(self._feed.symbols), self._venue_ns, self._settle,
            self._on_finding, int(self._about["begun_venue_ns"]), is_new=fold.agreed_ns == 0 and not fold.is_compared,
            life_ns=self._venue_ns(),
        )  # fmt: skip
        self._rounds.want_fills()  # what this process did not hear of, and whether another engine is there
        if isinstance(repetition, AccountRepetition) and repetition.has_begun:
            repetition.go_on(account, self._journal.epoch)
        self._gate()

    def _on_limited(self, retry_after_s: float) -> None:
        """Hold entries and all questions: a venue limits what is asked of it, whoever asks. Exits go on."""
        now_ns = self._clock.now_ns()
        if now_ns >= self._feed.held_ns:
            self._say(f"warning: the venue limits requests: no entry and no question leaves for {retry_after_s:g} s")
        self._client.budget.stop(retry_after_s, now_ns)
        self._feed.hold(retry_after_s)
        self._account.limited(retry_after_s)

    async def _ask(self, request: ex.Request) -> list[ex.Report]:
        return (await self._client.ask(request))[0]

    async def _begin(self) -> None:
        """Follow the account; the session runs once it is ready."""
        self._go_on_ending(gate_of(self._session.plan))
        self._judge_clock()
        self._reports = ReportStream(
            self._client, self._clock, self._tasks, self._about["id"], self._sockets, self._say, self._account.frame,
            self._on_missed_reports, self._on_reports_gone,
        )  # fmt: skip
        self._reports.start()
        self._tasks.start("rounds", self._compare)
        self._tasks.start("venue clock", self._follow_clock)
        self._arm()

    def _take_mark(self, instrument: int, mark: VenueMark) -> None:
        """Put the venue's mark: positions are valued and margins judged by it."""
        if mark.mark > 0.0:
            answer = VenueAnswer(EventKind.MARK_REPORTED, instrument=instrument, price=mark.mark)
            self._session.intake.put_event(event_of(answer, self._clock.now_ns()), is_conflatable=True)

    def _leave_out(self, error: StepFailed) -> Repetition:
        """Make the books again without a fact at which the step failed; the desk goes on as it is."""
        begun = super()._leave_out(error)
        self._rounds.plan = self._session.plan
        if isinstance(begun.account, AccountRepetition):
            self._gate(begun.account.missed())
            for row in begun.account.missed():
                self._account.command(row)
        return begun

    # The private stream and the clock

    def _venue_ns(self) -> int:
        now_ns = self._clock.now_ns()
        return now_ns + self._client.clock.offset_ns(now_ns)

    def _on_missed_reports(self) -> None:
        """Compare at once: what was reported meanwhile is asked for."""
        self._rounds.want_fills()
        self._look_soon.set()

    def _on_late(self, late_ns: int) -> None:
        """Take no entries before the account is compared again; what waits to be stepped is older than it seems."""
        if self._is_ready:
            self._session.intake.put_first(told.control(SessionControl.NOT_READY))
            self._is_ready = False
            self._gate()
        super()._on_late(late_ns)
        self._on_missed_reports()

    def _on_reports_gone(self) -> None:
        """Take no entries while the account is not reported on; exits and comparisons go on."""
        self._become_ready(False, "the private stream is gone")

    async def _follow_clock(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._client.clock.every_s):
                    await self._clock_soon.wait()
            self._clock_soon.clear()
            await self._client.read_clock()
            self._judge_clock()

    def _judge_clock(self) -> None:
        """Say that our clock is off, and take no entries when it is far off; requests are signed by the venue's."""
        clock, was_off = self._client.clock, self._is_clock_off
        skew_s = abs(clock.offset_ns(self._clock.now_ns())) * 1e-9 if clock.speed == 1.0 else 0.0
        self._is_clock_off = skew_s > SKEW_MAX_S
        why = f"the clock is {skew_s:.1f} s off the venue's"
        if self._is_clock_off and not self._is_ready and not was_off:
            self._say(f"critical: not ready: {why}")
        elif self._is_clock_off:
            self._become_ready(False, why)
        elif skew_s > SKEW_TOLD_S and not was_off:
            self._say(f"warning: {why}")

    # Requests

    def _send(self, ask: Ask, call: HttpCall) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(ask, call))
        self._calls.add(task)
        task.add_done_callback(self._on_carried)

    async def _carry(self, ask: Ask, call: HttpCall) -> None:
        self._client.budget.take(call, self._clock.now_ns())  # what the desk sends never waits for questions
        try:
            if ask.lane is Lane.ENTRY:
                if self._is_power_safe:
                    await self._last()
                if self._account.fold.desk.is_denied(ask.ask_id):
                    raise NotSent("entries were switched off before it left")
            reply: Any = await self._transport.call(call, ask.timeout_ns * 1e-9 + ANSWER_AFTER_S)
        except (NotSent, NoAnswer) as failure:
            reply = failure
        else:
            self._client.learn(ask.request, reply)
        self._account.reply(ask.ask_id, reply)
        limited_s = (self._account.limited_ns - self._clock.now_ns()) * 1e-9
        if limited_s > 0.0:
            self._client.budget.stop(limited_s, self._clock.now_ns())
            self._feed.hold(limited_s)

    async def _last(self) -> None:
        """Wait until all that is written by now survives a loss of power. Raises NotSent if that cannot be."""
        written = self._journal.written
        self._journal.sync_behind()
        while self._journal.synced < written:
            if self._journal.failure() is not None:
                raise NotSent("the journal cannot be synced")
            await asyncio.sleep(SYNC_LOOK_S)

    def _on_carried(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)

    def _arm(self) -> None:
        """Set the timer of the desk."""
        if self._timer is not None:
            self._timer.cancel()
        wait_s = (self._account.due_ns - self._clock.now_ns()) * 1e-9
        self._timer = asyncio.get_running_loop().call_later(min(max(wait_s, 0.0), 1.0), self._beat)

    def _beat(self) -> None:
        self._account.advance()
        self._arm()

    def _after_batch(self) -> None:
        """Give the desk what the step commanded, and prices where it acts on them."""
        super()._after_batch()
        commands = self._session.commands()
        if commands or self._account.fold.desk.state.open_ids:
            self._account.prices(self._session.plan.states[0]["instruments"])
        self._gate(commands)
        for row in commands:
            self._account.command(row)
        if commands:
            self._account.prices(self._session.plan.states[0]["instruments"])
        self._passed_stops.tell(self._account, self._session.plan.states[0]["instruments"])

    def _gate(self, commands: Sequence[Rows] = ()) -> None:
        """Tell the desk which entries may not leave: those that the step would deny now, at the latest in a moment."""
        tell_gate(self._session.plan, self._account, commands, is_ready=self._is_ready and not self._are_entries_over)

    def _settle(self) -> None:
        """Step all that waits."""
        while len(self._session.intake):
            self._session.take_batch()
            self._after_batch()

    # What the desk tells

    def _on_note(self, note: Note) -> None:
        self._say(f"{note.urgency.name.lower()}: {note.kind.name.lower()} {note.client_id} {note.text}")
        if note.kind == NoteKind.RECONCILE:
            self._look_soon.set()
        elif note.kind == NoteKind.CLOCK_REFUSED:
            self._clock_soon.set()

    def _on_answer(self, answer: VenueAnswer) -> None:
        if answer.kind in (EventKind.ORDER_FILLED, EventKind.FILL_FOUND):
            self._rounds.filled_ns[answer.instrument] = self._venue_ns()
            is_news = answer.origin == Origin.DELISTING  # before an entry is tried there and refused
        else:
            is_news = answer.reason in (Reason.RULES_CHANGED, Reason.DELISTED)
        if is_news:
            self._rules.soon.set()

    def _on_rules(self, change: RulesChanged) -> None:
        """Give the desk what it rounds by, before the step makes orders by it."""
        super()._on_rules(change)
        if change.now is not None:
            self._account.relist(
                change.instrument, change.now.price_increment, change.now.lot_size, change.now.multiplier
            )

    def _on_strange(self, report: ex.Report) -> None:
        if isinstance(report, ex.WalletReport) and not report.is_of_orders:
            self._rounds.want_income()
            self._look_soon.set()
        elif isinstance(report, ex.FillReport):
            self._rounds.reported.append(report)
            self._look_soon.set()
        if isinstance(report, ex.FillReport | ex.OrderReport) and ids.decode(report.client_id) is not None:
            self._become_ready(False, f"{report.client_id} was made by an engine, and not by this one")
            self._on_missed_reports()  # the next comparison says by which one

    def _on_finding(self, finding: Finding) -> None:
        is_known = (engine := (finding.subject, finding.text)) in self._engines_told
        if finding.kind == FindingKind.SECOND_ENGINE:
            self._engines_told.add(engine)
        if not is_known:
            self._say(f"{finding.urgency.name.lower()}: {finding.kind.name.lower()} {finding.subject}: {finding.text}")
        if finding.is_not_ready:
            self._is_strange = True
        if finding.pauses and not is_known:
            self._pause(finding.text)

    # Comparing

    async def _compare(self) -> None:
        """Compare again and again, soon where something is in doubt; say when the session is ready."""
        count = 0
        while True:
            self._look_soon.clear()
            self._is_strange = False
            try:
                agrees = await self._rounds.round()
            except TROUBLE as error:
                agrees = None  # no answer
                self._say(f"comparison: {error}")
            self._decide_ready(
                bool(agrees) and not self._look_soon.is_set()
            )  # what came meanwhile is not in its answers
            is_calm = self._is_ready and agrees is not None
            wait_s = ROUND_S if is_calm else QUICK_S[min(count, len(QUICK_S) - 1)]
            if self._reports.is_down:
                wait_s = min(wait_s, QUICK_S[-1])  # nothing else says what becomes of our orders
            count = 0 if is_calm else count + 1
            await asyncio.sleep(min(wait_s, ROUND_SOON_S))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait_s - ROUND_SOON_S)):
                    await self._look_soon.wait()

    def _decide_ready(self, agrees: bool) -> None:
        """Say that entries may be made, or that they may not."""
        if self._is_strange:
            self._become_ready(False, "another engine trades on this account")
        elif self._are_entries_over:
            self._become_ready(False, "no more entries are taken")
        elif (
            not self._is_ready
            and agrees
            and not self._is_clock_off
            and not self._holds.causes
            and not self._reports.is_down
            and are_stops_confirmed(self._session.plan, self._account.fold.desk)
        ):
            self._become_ready(True, "the account agrees")

    def _stop_entries(self, why: str) -> None:
        self._become_ready(False, why)

    def _resume_entries(self) -> None:
        """Compare at once: the session is ready when the account agrees."""
        self._look_soon.set()

    def _become_ready(self, is_ready: bool, why: str) -> None:
        if is_ready == self._is_ready:
            return
        self._is_ready = is_ready
        self._say(f"{'ready' if is_ready else 'critical: not ready'}: {why}")
        what = SessionControl.READY if is_ready else SessionControl.NOT_READY
        self._session.intake.put_event(told.control(what))
        self._gate()
        if is_ready and self.state is SessionState.RECONCILING:
            self._settle()
            self._become(SessionState.RUNNING)
            if int(self._session.plan.states[0]["paused"]) & Pause.PAUSED:
                self._become(SessionState.PAUSED)

    def _pause(self, why: str) -> None:
        self._say(f"paused until `session resume`: {why}")
        self._session.intake.put_event(told.control(SessionControl.PAUSED))
        self.become_paused(True)

    # Ending

    def _is_wound_down(self) -> bool:
        return super()._is_wound_down() and not is_awaiting(self._account.fold.desk)

    def _awaited(self) -> list[str]:
        return super()._awaited() + [f"what became of {name}" for name in awaited_ids(self._account.fold.desk)]

    def _end(self) -> SessionEnd:
        if self._timer is not None:
            self._timer.cancel()
        self._account.on_turn = lambda: None
        for task in self._calls:
            task.cancel()
        ended = super()._end()
        if ended.has_position and not self._is_abandoned:
            for line in kept_at_venue(self._session):
                self._say(line)
        return ended

    def _saved(self) -> bytes:
        self._settle()
        return self._account.fold.save()

    def _view(self) -> View:
        session = self._session
        shown = account_view(session.plan, session.recent, self._account.fold, self._rounds.elsewhere)
        return shown | {"account": self._account_name}
