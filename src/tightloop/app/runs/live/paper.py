"""``tightloop paper``: strategies on a venue's market as it happens, orders at a simulated venue.

The composition root of sessions: it names the concrete venue, transport, disk, clock and home folder. What a session
does with facts is in ``runtime/session``; this file finds out whether the session runs already, was killed, or is new,
asks the venue for rules and history, and drives it to its end.

    key      sha256 of kind, account, symbols and canonical strategies: who holds its lease runs the session
    killed   a folder of that key that was not stopped: its journal is repeated, and the session goes on in a new epoch
    new      rules from the venue, a folder, a journal, bars of the past
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tightloop import __version__
from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home, Lease
from tightloop.adapters.system.clock import SystemClock
from tightloop.adapters.venues._shared.sockets import SocketChange, SocketState, SocketUse, SupervisedSocket
from tightloop.app.markets import notes as markets_notes
from tightloop.app.runs.live import control, files
from tightloop.app.runs.live.files import Prepared
from tightloop.app.runs.live.journal_watch import JournalWatch
from tightloop.app.runs.live.kills import KillSwitch
from tightloop.app.runs.live.outside import AT_RISK
from tightloop.app.runs.live.venues import VENUES, ChosenVenue
from tightloop.app.runs.live.warm_up import warm_up_facts
from tightloop.model.errors import InputError, TightloopError
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.signal.read import Strategy
from tightloop.model.times import iso
from tightloop.ports.market_data import ListedInstrument, ListInstruments, PublicStream
from tightloop.ports.transport import NoAnswer, NotSent, SocketClosed, Transport
from tightloop.ports.venue import SocketPlan
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.operator import Answer, Operator, answers_in, gate_of
from tightloop.runtime.session.driver.pulse import Pulse
from tightloop.runtime.session.driver.session import Session, StepFailed
from tightloop.runtime.session.driver.silence import Silence
from tightloop.runtime.session.driver.states import SessionState, may_follow
from tightloop.runtime.session.driver.view import View, view
from tightloop.runtime.session.journal.reading import records
from tightloop.runtime.session.journal.snapshots import Snapshot
from tightloop.runtime.session.journal.snapshots import save as save_snapshot
from tightloop.runtime.session.journal.writer import Journal
from tightloop.runtime.session.market.bars import MadeBars, opened_event
from tightloop.runtime.session.market.feed import MarketFeed
from tightloop.runtime.session.market.intake import Intake
from tightloop.runtime.session.tasks import Failure, Tasks

if sys.platform != "win32":
    import uvloop

TELL_S = 1.0
SNAPSHOT_S, SNAPSHOT_FACTS, SNAPSHOT_LOOK_S = 300.0, 300_000, 1.0
SILENCE_S, SILENCE_LOOK_S = 60.0, 0.25
VENUE_TRIES, VENUE_WAIT_S = 8, 1.0
TROUBLE = (SocketClosed, NotSent, NoAnswer, OSError, TimeoutError)
"""What is wrong outside: a task that ends of it begins again, anything else is a bug and ends the session."""
DONE, HELD, REFUSED = 0, 3, 4
"""Exit codes: stopped; the session runs already; the venue refuses."""
Say = Callable[[str], None]


class SessionHeld(TightloopError):
    """The session runs already; ``session`` is its id."""

    exit_code = HELD

    def __init__(self, session: str, pid: int) -> None:
        super().__init__(f"session {session} runs already, as process {pid}")
        self.session = session


class VenueUnreachable(TightloopError):
    """The venue does not answer, or not as it should."""

    exit_code = REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOptions:
    """Options of ``tightloop paper``. ``for_s``: how long it runs, None: until it is stopped.

    ``keeps``: positions are kept at the end, unless an operator asks for another end.
    """

    venue: str
    url: str | None
    home: Path
    instruments: tuple[str, ...]
    account: str | None
    for_s: float | None
    keeps: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended. ``is_interrupted``: by Ctrl-C."""

    session: str
    state: str
    state_hash: str
    has_position: bool
    is_interrupted: bool

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        if self.state == SessionState.ERROR:
            return 1
        return AT_RISK if self.has_position else 130 if self.is_interrupted else DONE


def paper(names: tuple[Path, ...], options: PaperOptions, say: Say, on_second: Callable[[View], None]) -> SessionEnd:
    """Run a session to its end. Raises InputError, SessionHeld, VenueUnreachable, StrategyError."""
    if options.venue not in VENUES:
        message = f"{options.venue!r} is not a venue"
        raise InputError.one("command line", None, "--venue", message, f"write one of {', '.join(VENUES)}")
    venue = VENUES[options.venue](options.url)
    prepared = files.prepare(names, venue, instruments=options.instruments, account=options.account)
    home = Home(options.home)
    home.make()
    found = home.take(prepared.lease)
    if not isinstance(found, Lease):
        raise SessionHeld(str(found["session"]), int(found["pid"]))
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_Run(prepared, venue, home, found, options, say, on_second).run())
    finally:
        found.close()


def _are_fees_stated(strategies: Sequence[Strategy]) -> bool:
    costs = [strategy.read.costs for strategy in strategies]
    return all(cost.taker_bps is not None and cost.maker_bps is not None for cost in costs)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop where there is one, None for the system's."""
    if sys.platform == "win32":
        return None
    return uvloop.new_event_loop


class _Run:
    """One life of a session: from the lease to the end of the process."""

    def __init__(
        self, prepared: Prepared, venue: ChosenVenue, home: Home, lease: Lease, options: PaperOptions, say: Say,
        on_second: Callable[[View], None],
    ) -> None:  # fmt: skip
        self._prepared, self._venue, self._home, self._lease = prepared, venue, home, lease
        self._options, self._print, self._on_second = options, say, on_second
        self._clock = SystemClock()
        self.state = SessionState.IDLE
        self._is_interrupted = False
        self._stop = asyncio.Event()
        self._error: BaseException | None = None
        self._transport: Transport
        self._feed: MarketFeed
        self._session: Session
        self._journal: Journal
        self._disk: LocalDisk
        self._pulse: Pulse
        self._operator: Operator
        self._silence: Silence
        self._kills: KillSwitch
        self._answers: dict[str, Answer] = {}
        self._about: dict[str, Any] = {}
        self._sockets: dict[str, str] = {}

    def _say(self, text: str) -> None:
        """Tell people, and the session's log once there is one; that neither listens ends no session."""
        with contextlib.suppress(OSError):
            self._print(text)
        if self._about:
            with contextlib.suppress(OSError):
                self._home.write_log(self._about["id"], f"{iso(self._clock.now_ns())} {text}")

    def _become(self, state: SessionState) -> None:
        assert may_follow(self.state, state), f"{state} does not follow {self.state}"
        self.state = state
        if self._about:
            self._about["state"] = str(state)
            try:
                self._home.write_session(self._about["id"], self._about)
            except OSError as error:
                self._say(f"session.json does not say {state}: {error}")

    async def run(self) -> SessionEnd:
        """Start or recover, follow the market until it is stopped, and end."""
        self._become(SessionState.STARTING)
        self._transport = self._venue.transport()
        try:
            await self._start()
            return await self._follow()
        finally:
            await self._venue.close(self._transport)

    # Starting

    async def _start(self) -> None:
        killed = files.killed(self._home, self._prepared.key)
        rules = None if killed is not None else await self._rules()
        now_ns = self._clock.now_ns()
        if killed is None:
            assert rules is not None, "a new session has asked for them"
            self._about = files.about_new(
                self._prepared,
                self._venue,
                rules,
                seed=self._options.seed,
                now_ns=now_ns,
                url=self._options.url,
                instruments=self._options.instruments,
            )
            self._about["id"] = self._home.make_session(self._about, self._prepared.texts)
        else:
            self._about = killed
        session = self._about["id"]
        self._lease.write(session, 0)
        folder = self._home.folder(session)
        plan = files.plan_of(self._prepared.strategies, self._about)
        count = len(plan.instruments)
        disk = self._disk = LocalDisk(folder)
        symbols = {self._venue.dialect.symbol_of(str(name)): at for at, name in enumerate(plan.instruments)}
        begun = None
        if killed is None or not disk.names(files.JOURNAL):
            self._journal = Journal.create(disk, files.JOURNAL, session, 1)
        else:
            self._become(SessionState.RECOVERING)
            self._journal, repaired = Journal.open(disk, files.JOURNAL)
            if repaired.cut is not None:
                self._say(f"the journal ended in a broken record, which was moved away: {repaired.cut}")
            begun = files.repeated(plan, disk, session, seq_max=repaired.record_count)
            self._answers = answers_in(records(disk, files.JOURNAL))
        self._lease.write(session, self._journal.epoch)
        timeframe = self._prepared.timeframe
        bars = None if timeframe is None else MadeBars(count, TIMEFRAMES[timeframe], now_ns)
        intake = Intake(self._clock.now_ns)
        self._session = Session(plan, self._journal, intake, self._clock.now_ns, bars, begun)
        self._feed = MarketFeed(
            self._venue.dialect, self._transport, self._clock.now_ns, intake, symbols, bars, self._bar_opened
        )
        if begun is not None:
            self._begin_bars(bars)
            streams = self._session.driver.streams
            self._feed.go_on({symbol: int(streams[at]["last_id"]) for symbol, at in symbols.items()})
        if bars is not None and begun is None:
            await self._warm_up(bars, now_ns)
        for line in markets_notes.defaults(plan.rules, _are_fees_stated(self._prepared.strategies)):
            self._say(line.replace("instruments.yaml does not set", f"{self._venue.where} does not state"))
        self._say(f"session {session} ({'recovered, ' if killed else ''}epoch {self._journal.epoch})")
        self._become(SessionState.RECONCILING)

    async def _warm_up(self, bars: MadeBars, now_ns: int) -> None:
        """Take the bars of the past; raises VenueUnreachable."""
        try:
            facts, closes = await warm_up_facts(self._session.plan, self._feed.ask, now_ns)
        except TROUBLE as error:
            raise VenueUnreachable(f"{self._venue.where} does not give the bars of the past: {error}") from error
        self._session.take_warm_up(facts)
        for at, close in closes.items():
            bars.begin(at, close)

    def _begin_bars(self, bars: MadeBars | None) -> None:
        """Set the last closes that State knows, so that bars without prints are flat at them."""
        instruments = self._session.plan.states[0]["instruments"]
        for at in range(len(self._session.plan.instruments)):
            close = float(instruments[at]["bar"]["close"])
            if bars is not None and close > 0.0:
                bars.begin(at, close)

    def _bar_opened(self, instrument: int, price: float) -> None:
        bars = self._session.bars
        assert bars is not None, "only made bars open"
        self._session.intake.put_event(opened_event(instrument, price, bars.open_ns))

    async def _rules(self) -> list[ListedInstrument]:
        """Ask the venue what may be traded; raises VenueUnreachable."""
        feed = MarketFeed(
            self._venue.dialect, self._transport, self._clock.now_ns, Intake(self._clock.now_ns, 0, 1), {}
        )
        for at in range(VENUE_TRIES):
            try:
                found = await feed.ask(ListInstruments())
                return [row for row in found if isinstance(row, ListedInstrument)]
            except TROUBLE as error:
                if at == VENUE_TRIES - 1:
                    raise VenueUnreachable(f"{self._venue.where} does not say what is traded there: {error}") from error
                await asyncio.sleep(VENUE_WAIT_S)
        raise AssertionError("the last try returned or raised")

    # Running

    async def _follow(self) -> SessionEnd:
        session, loop = self._session, asyncio.get_running_loop()
        loop.set_exception_handler(self._on_bug)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        operator = self._operator = Operator(session, self._journal, self.become_paused, self._stop.set, self._answers)
        self._kills = KillSwitch(self._home, session, self._say)
        self._kills.look()
        watch = JournalWatch(self._journal, self._refuse_entries)
        pulse = self._pulse = Pulse(session, self._clock.now_ns, watch.look)
        tasks = Tasks(self._clock, random.Random(self._about["id"]).random, self._on_failure)
        kinds = [PublicStream(kind) for kind in (session.plan.feed or ("trades", "quotes"))] + [PublicStream.MARK]
        for plan in self._venue.dialect.market_sockets(kinds, sorted(self._feed.symbols)):
            tasks.start(plan.name, self._socket(plan).run)
        tasks.start("funding", self._feed.settle)
        tasks.broken.add_done_callback(lambda broken: self._fail(broken.result()))
        tasks.start("journal", watch.follow)
        tasks.start("kill switch", self._kills.follow)
        tasks.start("told", self._tell)
        self._silence = Silence(session)
        tasks.start("silence", self._look_for_silence)
        tasks.start("snapshots", self._keep_snapshots)
        server = await control.serve(self._home.socket(self._about["id"]), operator, self.show)
        self._go_on()
        pulse.wake()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.for_s):
                    await self._stop.wait()
            await self._wind_down(operator)
        finally:
            pulse.stop()
            server.close()
            await tasks.stop_all()
        return self._end()

    def _socket(self, plan: SocketPlan) -> SupervisedSocket:
        async def same() -> SocketPlan:
            return plan

        use = SocketUse(same, None, lambda: self._clock.now_ns() // 1_000_000, SILENCE_S)
        chance = random.Random(f"{self._about['id']} {plan.name}").random
        return SupervisedSocket(
            use, self._venue.dialect, self._transport, self._clock, chance, self._feed.take, self._on_socket
        )

    def _on_socket(self, change: SocketChange) -> None:
        """Follow the state of a socket: what was missed while it was gone is asked for once it is open again."""
        self._sockets[change.name] = change.state.value
        if change.state is SocketState.BACKOFF:
            self._feed.lost()
            self._say(f"{change.name}: {change.reason}")
        elif change.state is SocketState.OPEN:
            task = asyncio.ensure_future(self._feed.catch_up())
            task.add_done_callback(self._on_caught_up)

    def _on_caught_up(self, task: asyncio.Future[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._say(f"missed prints were not told: {task.exception()}")

    async def _wind_down(self, operator: Operator) -> None:
        """Take no more entries, and wait until what ends with the session has ended."""
        operator.end(keeps=self._options.keeps)
        while self._error is None and not operator.has_ended():  # noqa: ASYNC110 # what ends it is a fact among others
            await asyncio.sleep(0.05)

    def _end(self) -> SessionEnd:
        session = self._session
        if self._error is not None:
            self._become(SessionState.ERROR)
            self._close_journal()
            raise self._error
        self._become(SessionState.STOPPING)
        found = session.finish()
        try:
            save_snapshot(self._disk, files.SNAPSHOTS, self._snapshot())
        except OSError as error:
            self._say(f"no snapshot was written: {error}")
        self._close_journal()
        has_position = any(row["qty"] != 0.0 for row in session.plan.states[0]["positions"])
        self._about["state_hash"] = found
        self._become(SessionState.STOPPED)
        control.clear(self._home.socket(self._about["id"]))
        return SessionEnd(self._about["id"], str(self.state), found, has_position, self._is_interrupted)

    def _close_journal(self) -> None:
        try:
            self._journal.close()
        except OSError as error:
            self._say(f"the end of the journal may not last: {error}")

    def _on_signal(self, number: int) -> None:
        self._is_interrupted = number == signal.SIGINT
        self._stop.set()

    def _go_on(self) -> None:
        """Begin in the state in which its last process ended; a new session runs."""
        was = gate_of(self._session.plan)
        self._become(SessionState.PAUSED if was.is_paused else SessionState.RUNNING)
        if was.is_stopping:
            self._say("it was being stopped when its process ended, and ends now; start again for another session")
            self._operator.go_on_ending(is_flat=was.is_flattened)
            self._stop.set()
        elif was.is_not_ready:
            self._become(SessionState.ERROR)
            self._say("it took no more entries when its process ended, and takes none now; stop it and start another")

    def become_paused(self, is_paused: bool) -> None:
        """Follow an operator's pause or resume."""
        state = SessionState.PAUSED if is_paused else SessionState.RUNNING
        if self.state in (SessionState.RUNNING, SessionState.PAUSED) and state is not self.state:
            self._become(state)

    def _on_bug(self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        self._on_error(dict(context).pop("exception", None) or RuntimeError(str(context["message"])))

    def _on_error(self, error: BaseException) -> None:
        if isinstance(error, StepFailed) and error.seq >= 0:
            self._leave_out(error)
        else:
            self._fail(error)

    def _leave_out(self, error: StepFailed) -> None:
        """Make the session again without the fact at which the step failed, and take no more entries."""
        self._say(f"{error}; the session goes on without that fact and takes no more entries")
        session, before = self._about["id"], self._session
        plan = files.plan_of(self._prepared.strategies, self._about)
        begun = files.repeated(plan, self._disk, session, seq_max=self._journal.seq)
        self._session = Session(plan, self._journal, before.intake, self._clock.now_ns, before.bars, begun)
        self._pulse.session = self._operator.session = self._silence.session = self._kills.session = self._session
        self._operator.refuse_entries()
        self._become(SessionState.ERROR)
        self._pulse.wake()

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._stop.set()

    def _on_failure(self, failure: Failure) -> None:
        self._say(f"{failure.name}: {type(failure.error).__name__}: {failure.error}")
        if not isinstance(failure.error, TROUBLE):
            self._on_error(failure.error)

    def _refuse_entries(self, why: str) -> None:
        """Take no more entries, then say so: what is wrong may be what keeps it from being said."""
        self._operator.refuse_entries()
        self._say(f"no more entries are taken: {why}")
        self._become(SessionState.ERROR)

    async def _look_for_silence(self) -> None:
        """Tell the session of feeds that are silent, while they are."""
        while True:
            await asyncio.sleep(SILENCE_LOOK_S)
            self._silence.look(self._clock.now_ns())

    async def _keep_snapshots(self) -> None:
        """Write a snapshot after so much time or so many facts."""
        facts, begun_ns = self._session.fact_count, self._clock.monotonic_ns()
        while True:
            await asyncio.sleep(SNAPSHOT_LOOK_S)
            passed_s = (self._clock.monotonic_ns() - begun_ns) * 1e-9
            if self._session.fact_count - facts < SNAPSHOT_FACTS and passed_s < SNAPSHOT_S:
                continue
            facts, begun_ns = self._session.fact_count, self._clock.monotonic_ns()
            await asyncio.to_thread(save_snapshot, self._disk, files.SNAPSHOTS, self._snapshot())

    def _snapshot(self) -> Snapshot:
        self._journal.sync()  # a snapshot must not know more than the journal
        return snapshots.snapshot_of(self._session, self._about["id"], self._journal.seq, __version__)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            self._on_second(self.show())

    def show(self) -> View:
        """Return what ``session show`` prints."""
        now_ns, feed = self._clock.now_ns(), self._feed
        intake = self._session.intake
        shown = view(self._session.plan, self._session.recent)
        shown |= {
            "id": self._about["id"], "state": str(self.state), "epoch": self._journal.epoch,
            "facts": self._session.fact_count, "waiting": len(intake), "conflated": intake.conflated_count,
            "feed_age_s": None if not feed.received_ns else round((now_ns - feed.received_ns) * 1e-9, 3),
            "sockets": dict(self._sockets), "ts_ns": now_ns,
            "lease": {"pid": os.getpid(), "epoch": self._journal.epoch},
        }  # fmt: skip
        return shown
