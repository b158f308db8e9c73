"""One life of a session: strategies on a venue's market as it happens, from the lease to the end of the process.

What a session does with facts is in ``runtime/session``; this file finds out whether the session was killed or is new,
asks the venue for rules and history, and drives it to its end. Its orders go to the simulated venue of the plan;
``live.py`` sends them out. Transport, disk and clock are those of ``machine.py``.

    killed   a folder of that key that was not stopped: its journal is repeated, and the session goes on in a new epoch
    new      rules from the venue, a folder, a journal, bars of the past
"""

import asyncio
import contextlib
import itertools
import os
import random
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tightloop.adapters.stores.home import Lease
from tightloop.app.markets import notes as markets_notes
from tightloop.app.runs.live import control, files
from tightloop.app.runs.live.files import Prepared
from tightloop.app.runs.live.machine import Machine
from tightloop.app.runs.live.market.books import FollowedBooks, followed_books
from tightloop.app.runs.live.market.sockets import MarketSockets
from tightloop.app.runs.live.market.warm_up import begin_bars, warm_up_facts
from tightloop.app.runs.live.options import PaperOptions, SessionEnd
from tightloop.app.runs.live.settings import read_settings
from tightloop.app.runs.live.snapshots import SnapshotWriter
from tightloop.app.runs.live.venues import TROUBLE, ChosenVenue, VenueUnreachable, listed
from tightloop.app.runs.live.watching.journal import JournalWatch
from tightloop.app.runs.live.watching.kills import KillSwitch
from tightloop.app.runs.live.watching.terminal import TerminalLines
from tightloop.app.runs.live.watching.trades import TradeLog
from tightloop.app.runs.live.watching.winding_down import WindingDown, awaited_of
from tightloop.app.text.commands import session_command
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.signal.plan import Plan
from tightloop.model.times import iso
from tightloop.ports.disk import Disk
from tightloop.ports.market_data import PublicStream
from tightloop.ports.transport import Transport
from tightloop.runtime.session.account.recovery import AccountRepetition
from tightloop.runtime.session.bus import Bus, is_subscriber
from tightloop.runtime.session.driver.holds import Crowd, Holds
from tightloop.runtime.session.driver.operator import Answer, Gate, Operator, answers_in, gate_of
from tightloop.runtime.session.driver.publishing import publish, replayed
from tightloop.runtime.session.driver.pulse import Pulse
from tightloop.runtime.session.driver.rules import RulesWatch, words_of
from tightloop.runtime.session.driver.session import Repetition, Session, StepFailed, state_hash
from tightloop.runtime.session.driver.silence import Silence
from tightloop.runtime.session.driver.states import SessionState, may_follow
from tightloop.runtime.session.driver.view import View, view
from tightloop.runtime.session.journal.reading import records
from tightloop.runtime.session.journal.reduced_segments import reduced_events
from tightloop.runtime.session.journal.writer import Journal
from tightloop.runtime.session.market.bars import MadeBars, opened_event
from tightloop.runtime.session.market.feed import MarketFeed
from tightloop.runtime.session.market.intake import Intake
from tightloop.runtime.session.reconcile.rules import RulesChanged
from tightloop.runtime.session.tasks import Failure, Tasks

TELL_S = 1.0
DRAIN_S = 1.0
"""For how long subscribers of the bus are waited for at the end; the journal has what they missed."""
SILENCE_LOOK_S = 0.25
Say = Callable[[str], None]


class SessionRun:
    """One life of a session: from the lease to the end of the process. Methods that say so are for a real venue."""

    has_venue = True
    """Whether orders go to the simulated venue of the plan."""

    def __init__(
        self, prepared: Prepared, venue: ChosenVenue, machine: Machine, lease: Lease, options: PaperOptions, say: Say,
        on_second: Callable[[View], None],
    ) -> None:  # fmt: skip
        self._prepared, self._venue, self._home, self._lease = prepared, venue, machine.home, lease
        self._options, self._print, self._on_second = options, say, on_second
        self._machine, self._clock = machine, machine.clock
        self._settings = read_settings(machine.home)
        self.state = SessionState.IDLE
        self._is_interrupted = self._has_signal = self._is_abandoned = False
        self._ending: WindingDown | None = None
        self._stop = asyncio.Event()
        self._error: BaseException | None = None
        self._transport: Transport
        self._feed: MarketFeed
        self._session: Session
        self._journal: Journal
        self._disk: Disk
        self._pulse: Pulse
        self._public: MarketSockets
        self._operator: Operator
        self._silence: Silence
        self._books: FollowedBooks | None = None
        self._forgotten: set[int] = set()
        self._snapshots: SnapshotWriter
        self._tasks: Tasks
        self._kills: KillSwitch
        self._watch: JournalWatch
        self._crowd: Crowd
        self.bus: Bus
        self._holds = Holds(self._stop_entries, self._resume_entries, self._say)
        self._answers: dict[str, Answer] = {}
        self._are_entries_over = self._has_failed = False
        self._about: dict[str, Any] = {}
        self._sockets: dict[str, str] = {}
        self._rules: RulesWatch

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
            self._about |= {"state": str(state), "since_ns": self._clock.now_ns()}
            try:
                self._home.write_session(self._about["id"], self._about)
            except OSError as error:
                self._say(f"session.json does not say {state}: {error}")

    async def run(self) -> SessionEnd:
        """Start or recover, follow the market until it is stopped, and end."""
        self._become(SessionState.STARTING)
        async with (self._venue.carrier or self._machine.network)() as self._transport:
            await self._start()
            async with self._machine.followed(self._about["id"], self._say):
                return await self._follow()

    # Starting

    async def _start(self) -> None:
        killed = files.killed(self._home, self._prepared.key)
        rules = None if killed is not None else await listed(self._venue, self._transport, self._clock.now_ns)
        now_ns = self._clock.now_ns()
        if killed is None:
            assert rules is not None, "a new session has asked for them"
            self._about = files.about_new(
                self._prepared, self._venue, rules, seed=self._options.seed, now_ns=now_ns, url=self._options.url,
                instruments=self._options.instruments,
            )  # fmt: skip
            self._about |= self._stated()
            self._about["id"] = self._home.make_session(self._about, self._prepared.texts)
        else:
            self._about = killed
        session = self._about["id"]
        self._lease.write(session, 0)
        folder = self._home.folder(session)
        plan = files.plan_of(self._prepared.strategies, self._about)
        count = len(plan.instruments)
        disk = self._disk = self._machine.disk(folder)
        symbols = {self._venue.dialect.symbol_of(str(name)): at for at, name in enumerate(plan.instruments)}
        begun = None
        if killed is None or not disk.names(files.JOURNAL):
            self._journal = Journal.create(disk, files.JOURNAL, session, 1, sizes=self._machine.segments)
        else:
            self._become(SessionState.RECOVERING)
            self._journal, repaired = Journal.open(disk, files.JOURNAL, sizes=self._machine.segments)
            if repaired.cut is not None:
                self._say(f"the journal ended in a broken record, which was moved away: {repaired.cut}")
            last = repaired.record_count
            begun = files.repeated(plan, disk, session, seq_max=last, account=self._repetition(plan))
            self._are_entries_over = bool(begun.poisoned)
            said = (record for record, _ in reduced_events(disk, files.JOURNAL))
            self._answers = answers_in(itertools.chain(said, records(disk, files.JOURNAL)))
            await self._machine.reach(begun.stamp_ns)
        self._lease.write(session, self._journal.epoch)
        timeframe = self._prepared.timeframe
        bars = None if timeframe is None else MadeBars(count, TIMEFRAMES[timeframe], now_ns)
        intake = Intake(self._clock.now_ns)
        now = self._clock.now_ns
        self._session = Session(plan, self._journal, intake, now, bars, begun, has_venue=self.has_venue)
        self._feed = MarketFeed(
            self._venue.dialect, self._transport, self._clock.now_ns, intake, symbols, bars, self._bar_opened
        )
        self._rules = RulesWatch(self._session, self._feed.ask, symbols, self._on_rules)
        if begun is not None:
            self._go_on()
            if bars is not None:
                begin_bars(bars, self._session.plan)
            streams = self._session.driver.streams
            self._feed.go_on({symbol: int(streams[at]["last_id"]) for symbol, at in symbols.items()})
        if "book" in plan.feed:
            self._books = followed_books(self._session, symbols, self._feed)
        if bars is not None and begun is None:
            await self._warm_up(bars, now_ns)
        for line in markets_notes.defaults(plan.rules, files.are_fees_stated(self._prepared.strategies)):
            self._say(line.replace("instruments.yaml does not set", f"{self._venue.where} does not state"))
        self._say(f"session {session} ({'recovered, ' if killed else ''}epoch {self._journal.epoch})")
        for strategy in self._prepared.strategies:
            if strategy.code is not None and not strategy.code.can_save:
                self._say(f"{strategy.code.name} defines no on_save: a restart steps the whole session again")
        self._become(SessionState.RECONCILING)
        await self._connect(begun)

    async def _warm_up(self, bars: MadeBars, now_ns: int) -> None:
        """Take the bars of the past; raises VenueUnreachable."""
        try:
            facts, closes = await warm_up_facts(self._session.plan, self._feed.ask, now_ns)
        except TROUBLE as error:
            raise VenueUnreachable(f"{self._venue.where} does not give the bars of the past: {error}") from error
        self._session.take_warm_up(facts)
        for at, close in closes.items():
            bars.begin(at, close)

    def _bar_opened(self, instrument: int, price: float) -> None:
        bars = self._session.bars
        assert bars is not None, "only made bars open"
        self._session.intake.put_event(opened_event(instrument, price, bars.open_ns))

    # Running

    async def _follow(self) -> SessionEnd:
        session, loop = self._session, asyncio.get_running_loop()
        loop.set_exception_handler(self._on_bug)
        self._machine.on_signals(self._on_signal)
        operator = self._operator = Operator(session, self._journal, self.become_paused, self._stop.set, self._answers)
        self._kills = KillSwitch(self._home, session, self._say)
        self._kills.look()
        watch = self._watch = JournalWatch(self._journal, *self._holds.of("disk"), self._refuse_entries, self._flatten)
        self._crowd = Crowd(session, *self._holds.of("queue"))
        pulse = self._pulse = Pulse(session, self._clock.now_ns, self._after_batch, self._on_late)
        tasks = self._tasks = Tasks(self._clock, random.Random(self._about["id"]).random, self._on_failure)
        kinds = [PublicStream(kind) for kind in (session.plan.feed or ("trades", "quotes"))] + [PublicStream.MARK]
        lost = [] if self._books is None else [self._books.lost]
        public = MarketSockets(self._feed, self._clock, self._about["id"], self._sockets, self._say, lost)
        public.start(tasks, kinds)
        self._public = public
        tasks.start("funding", self._feed.settle)
        if self._books is not None:
            tasks.start("books", self._books.follow)
        tasks.start("rules", self._rules.follow)
        tasks.broken.add_done_callback(lambda broken: self._fail(broken.result()))
        tasks.start("journal", watch.follow)
        tasks.start("kill switch", self._kills.follow)
        tasks.start("told", self._tell)
        bus = self.bus = Bus(self._clock, tasks, lambda seq: replayed(records(self._disk, files.JOURNAL, seq), seq))
        session.on_rows = partial(publish, bus)
        write = partial(self._home.write_log, self._about["id"])
        bus.subscribe("log", TradeLog(tuple(session.plan.instruments), write).routes())
        if self._options.tells_trades:
            bus.subscribe("terminal", TerminalLines(session.plan, self._print).routes())
        self._silence = Silence(session)
        tasks.start("silence", self._look_for_silence)
        self._snapshots = SnapshotWriter(
            self._machine, self._disk, session_name := self._about["id"], self._journal, lambda: self._session,
            self._saved, self._say, self._settings.keep_market_days,
        )  # fmt: skip
        tasks.start("snapshots", self._snapshots.follow)
        door = await self._machine.listen(self._home.socket(session_name), operator, self.show)
        pulse.wake()
        try:
            await self._begin()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.for_s):
                    await self._stop.wait()
            await self._wind_down(operator)
            await bus.drain(DRAIN_S)
        finally:
            pulse.stop()
            door.close()
            await tasks.stop_all()
        return self._end()

    def _stated(self) -> dict[str, Any]:
        """Return what ``session.json`` says of a real venue's account."""
        return {}

    def _repetition(self, plan: Plan) -> AccountRepetition | None:  # noqa: ARG002 - of a real venue
        """Return what makes the side of a real venue again from the journal."""
        return None

    def _go_on(self) -> None:
        """Skip: entries at a simulated venue need no comparison. Called before anything of now is taken."""

    async def _connect(self, begun: Repetition | None) -> None:
        """Skip: a simulated venue is there. ``begun``: what the journal has come to."""

    async def _begin(self) -> None:
        """Begin in the state in which its last process ended; a new session runs."""
        was = gate_of(self._session.plan)
        self._become(SessionState.PAUSED if was.is_paused else SessionState.RUNNING)
        self._go_on_ending(was)
        if was.is_not_ready and self._are_entries_over and not was.is_stopping:
            self._become(SessionState.ERROR)
            self._say("it took no more entries when its process ended, and takes none now; stop it and start another")
        elif was.is_not_ready and not self._holds.causes:
            self._resume_entries()

    def _go_on_ending(self, was: Gate) -> None:
        """Finish an end that the last process began; say that a pause goes on."""
        if was.is_stopping:
            self._say("it was being stopped when its process ended, and ends now; start again for another session")
            self._operator.go_on_ending(is_flat=was.is_flattened)
            self._stop.set()
        elif was.is_paused:
            resume = session_command("resume", self._home.root, self._about["id"])
            self._say(f"paused, as it was when its process ended: it takes no entries until `{resume}`")

    def _after_batch(self) -> None:
        """Look whether the journal takes what was stepped, the session keeps up, and no strategy in Python failed."""
        self._watch.look()
        self._crowd.look()
        for at in self._session.driver.forgotten - self._forgotten:
            self._forgotten.add(at)
            name = self._session.plan.instruments[at].symbol
            self._say(
                f"critical: the windows of {name} hold more ticks than there is room for: they are unknown, and "
                f"begin anew each time; write shorter windows, or fewer instruments"
            )
        if self._session.driver.failure is not None and not self._has_failed:
            self._has_failed = True
            self._refuse_entries(f"{self._session.driver.failure}; no strategy in Python is called any more")

    def _on_late(self, late_ns: int) -> None:
        """Ask for what was missed while the process was stopped or the machine slept."""
        self._say(f"woke {late_ns * 1e-9:.1f} s late: what came meanwhile is old")
        self._public.miss()

    def _on_rules(self, change: RulesChanged) -> None:
        """Say what the venue has changed; the step is told next."""
        self._say(f"warning: rules {words_of(change)}")

    async def _wind_down(self, operator: Operator) -> None:
        """Take no more entries, and wait until what ends with the session has ended."""
        operator.end(keeps=self._options.keeps)
        self._become(SessionState.STOPPING)
        ending = self._ending = WindingDown(self._clock, self._say)
        while self._error is None and not self._is_abandoned and not self._is_wound_down():
            ending.look(self._awaited())
            await asyncio.sleep(0.05)

    def _is_wound_down(self) -> bool:
        return self._operator.has_ended()

    def _awaited(self) -> list[str]:
        """Return what an end may wait for, in words."""
        return awaited_of(self._session)

    def _end(self) -> SessionEnd:
        session = self._session
        if self._error is not None:
            self._about["reason"] = str(self._error) or type(self._error).__name__
            self._become(SessionState.ERROR)
            self._close_journal()
            raise self._error
        if self._is_abandoned and not self._is_wound_down():
            return self._abandon()
        if self.state is not SessionState.STOPPING:
            self._become(SessionState.STOPPING)  # something went wrong since it began to end
        found = session.finish()
        self._snapshots.write()
        self._close_journal()
        has_position = any(row["qty"] != 0.0 for row in session.plan.states[0]["positions"])
        self._about |= {"state_hash": found, "kept": self._view()["positions"]}
        self._become(SessionState.STOPPED)
        control.clear(self._home.socket(self._about["id"]))
        return SessionEnd(
            self._about["id"], str(self.state), found, has_position, self._is_interrupted, self._has_failed
        )

    def _abandon(self) -> SessionEnd:
        """End the process before the session has: who starts it again goes on ending it, as after a kill."""
        self._say(f"ended by a second signal; left as it is: {', '.join(self._awaited())}; the next start ends it")
        while len(self._session.intake):
            self._session.take_batch()
        self._close_journal()
        control.clear(self._home.socket(self._about["id"]))
        found = state_hash(self._session.plan)
        return SessionEnd(self._about["id"], str(SessionState.STOPPING), found, True, self._is_interrupted)

    def _close_journal(self) -> None:
        try:
            self._journal.close()
        except OSError as error:
            self._say(f"the end of the journal may not last: {error}")

    def _on_signal(self, number: int) -> None:
        self._is_interrupted = number == signal.SIGINT
        self._is_abandoned, self._has_signal = self._has_signal or self._ending is not None, True
        self._stop.set()

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

    def _leave_out(self, error: StepFailed) -> Repetition:
        """Make the session again without the fact at which the step failed, and take no more entries."""
        self._say(f"{error}; the session goes on without that fact and takes no more entries")
        session, before = self._about["id"], self._session
        plan = files.plan_of(self._prepared.strategies, self._about)
        begun = files.repeated(plan, self._disk, session, seq_max=self._journal.seq, account=self._repetition(plan))
        now = self._clock.now_ns
        self._session = Session(
            plan, self._journal, before.intake, now, before.bars, begun, has_venue=self.has_venue,
            on_rows=before.on_rows,
        )  # fmt: skip
        for one in (self._pulse, self._operator, self._silence, self._kills, self._crowd, self._rules):
            one.session = self._session
        self._are_entries_over = True
        self._operator.refuse_entries()
        self._about["reason"] = str(error)
        self._become(SessionState.ERROR)
        self._pulse.wake()
        return begun

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._stop.set()

    def _on_failure(self, failure: Failure) -> None:
        self._say(f"{failure.name}: {type(failure.error).__name__}: {failure.error}")
        if not isinstance(failure.error, TROUBLE) and not is_subscriber(failure.name):
            self._on_error(failure.error)

    def _refuse_entries(self, why: str) -> None:
        """Take no more entries, then say so: what is wrong may be what keeps it from being said."""
        self._are_entries_over = True
        self._operator.refuse_entries()
        self._say(f"no more entries are taken: {why}")
        self._about["reason"] = why
        self._become(SessionState.ERROR)

    def _flatten(self, why: str) -> None:
        """Close positions and end, while that can still be written."""
        self._has_failed = True
        self._about["reason"] = why
        self._operator.end(keeps=False)
        self._stop.set()
        self._say(f"critical: {why}: positions are closed, and the session ends")

    def _stop_entries(self, why: str) -> None:
        """Take no entries for a while; exits go on."""
        self._operator.refuse_entries()
        self._say(f"no entries are taken: {why}")

    def _resume_entries(self) -> None:
        if not self._are_entries_over:
            self._operator.allow_entries()
            self._say("entries are taken again")

    async def _look_for_silence(self) -> None:
        """Tell the session of feeds that are silent, while they are."""
        while True:
            await asyncio.sleep(SILENCE_LOOK_S)
            self._silence.look(self._clock.now_ns())

    def _saved(self) -> bytes | None:
        """Return the side of a real venue as bytes."""
        return None

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            self._on_second(self.show())

    def show(self) -> View:
        """Return what ``session show`` prints."""
        now_ns, feed = self._clock.now_ns(), self._feed
        intake = self._session.intake
        shown = self._view()
        shown |= {
            "id": self._about["id"], "state": str(self.state), "epoch": self._journal.epoch,
            "facts": self._session.fact_count, "waiting": len(intake), "conflated": intake.conflated_count,
            "feed_age_s": None if not feed.received_ns else round((now_ns - feed.received_ns) * 1e-9, 3),
            "sockets": dict(self._sockets), "ts_ns": now_ns, "held": dict(self._holds.causes),
            "lease": {"pid": os.getpid(), "epoch": self._journal.epoch},
            "waits_for": self._ending.text if self._ending is not None else "",
        }  # fmt: skip
        return shown

    def _view(self) -> View:
        return view(self._session.plan, self._session.recent)
