"""Plays a seed: lives of a session over one venue, until faults end; then it must settle, and end as it is told.

Theory of operation. Everything outside the session is done by events of the world, which outlive a process: faults that
are ours, acts of the operator, looks of the checkers. A life ends when the process is killed, when the product gives up
(the venue cannot be reached: it is started again, as its user would) or when the session ended. At the end of the
faulty time all faults are taken back and a broken disk is repaired, for which the process is started again; then
the session has QUIET_S to be ready and to agree with the venue in everything.
"""

import contextlib
import gc
import os
import random
import traceback
from dataclasses import dataclass, field, replace
from unittest.mock import patch

from tests.runtime.session.simulated_disk import SimulatedDisk, Stopped

from sim.live.checkers import Red, Watch
from sim.live.home import ROOT, SimulatedHome
from sim.live.machine import SimulatedMachine
from sim.live.market import SmallMarket
from sim.live.scenario import ENDS, FAULTY_FROM_S, FAULTY_S, OURS
from sim.virtual.faults import Faults
from sim.virtual.lives import Life, Overdue
from sim.virtual.machine import SECOND_NS, START_NS
from sim.virtual.transport import SimulatedTransport
from sim.virtual.twin import TwinServer
from sim.virtual.world import World
from tightloop.app.runs.live import live
from tightloop.app.runs.live import snapshots as session_snapshots
from tightloop.app.runs.live.files import SNAPSHOTS
from tightloop.app.runs.live.machine import ClockBehind
from tightloop.app.runs.live.venues import VenueUnreachable
from tightloop.model.errors import TightloopError
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.driver.operator import OperatorRequest
from tightloop.runtime.session.journal.layout import JournalFull, SegmentSizes

QUIET_S = 60.0
END_S = 60.0  # a breaker that is open tries again each 30 s
LOOK_S = 0.25
AGAIN_S = 2.0
TROUBLE_S = 8.0
ON_ITS_WAY_S = 6.0
SNAPSHOT_SOON_S = 5.0
"""Where snapshots are made as often as this, some losses of power come just after one."""
COLLECTED_EACH = 4
KEYS = {"TIGHTLOOP_BINANCE_USDM_KEY": "twin", "TIGHTLOOP_BINANCE_USDM_SECRET": "twin-secret"}
OPTIONS = live.LiveOptions(
    venue="binance-usdm", url="http://127.0.0.1:8000", home=ROOT, instruments=(), account=None, for_s=None,
    login="main", override="a simulation",
)  # fmt: skip


@dataclass
class Played:
    """How a seed ended. ``red``: the checker and what it says, "" if all is well; ``trace``: a hash of all that was."""

    seed: int
    red: str = ""
    trace: str = ""
    hits: dict = field(default_factory=dict)
    life_count: int = 0
    fill_count: int = 0
    last: list = field(default_factory=list)


def nothing(*_):
    """Take what is told, and do nothing."""


class WatchedDisk(SimulatedDisk):
    """A disk that tells when a snapshot was written to it."""

    def __init__(self, on_snapshot):
        super().__init__()
        self._on_snapshot = on_snapshot

    def replace(self, path, data):
        super().replace(path, data)
        if path.startswith(f"{SNAPSHOTS}/"):
            self._on_snapshot()


class Player:
    """Plays one scenario."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.draw = random.Random(f"{scenario.seed} player")
        self._snapshot_draw = random.Random(f"{scenario.seed} power at snapshots")
        self.hits = dict.fromkeys((*OURS, "id_repeated_accepted"), 0)
        self._is_faulty = False
        market = SmallMarket(scenario.seed, START_NS, funding_in_s=scenario.funding_in_s)
        self.server = TwinServer(market, scenario.seed)
        self.twin = self.server.exchange
        self.twin.accepts_repeat = self._accepts_repeat
        self.world = World(self.server, Faults(scenario.seed), start_ns=market.start_ns)
        self.world.late_answer_s = self._late_answer_s
        self._options = replace(OPTIONS, is_power_safe=scenario.is_power_safe)
        self.disks = []
        self.home = SimulatedHome(self._make_disk)
        self.life = self.machine = None
        self.lives, self.said, self.errors = [], [], []
        self.quiet_from_s = self.settled_s = None
        self.waited_until_s = 0.0
        self.entries_off_s, self.is_paused = None, False
        self.second, self.had_second, self.has_kept = None, False, False
        self.is_broken = self.was_broken = False
        self.power_loss_count = 0
        self.ended = None
        self.watch = Watch(self)

    # Playing

    def play(self):
        """Play the scenario; return how it went."""
        played = Played(self.scenario.seed)
        with patch.multiple(session_snapshots, EVERY_S=self.scenario.snapshot_s, LOOK_S=1.0):
            try:
                self._schedule()
                while self.settled_s is None or self.ended is None:
                    self._live()
                self.watch.at_end()
            except Red as red:
                played.red = str(red)
        self.world.note(f"end {played.red} {self.said[-1] if self.said else ''}")
        played.trace = self.world.trace.hexdigest()
        struck = {**self.world.faults.hits, **self.hits}
        for kind, count in self.server.venue.faults.hits.items():
            struck[kind] = struck.get(kind, 0) + count
        played.hits, played.life_count, played.fill_count = struck, len(self.lives), len(self.twin.executions)
        self._is_over = True
        for life in self.lives:
            life.bury()
        played.last = [*self.world.last_notes][-60:] + self.said[-60:]
        return played

    def _schedule(self):
        world, scenario = self.world, self.scenario
        for at_s, kind in scenario.ours:
            world.after(at_s, lambda kind=kind: self._strike(kind))
        for at_s, act in scenario.acts:
            world.after(at_s, lambda act=act: self._act(act))
        world.after(FAULTY_FROM_S, self._begin_faults)
        world.after(FAULTY_S, self._begin_quiet)
        world.after(LOOK_S, self._look)

    def _live(self):
        """Live one life of the process; raises Red for what no life may end of."""
        self.was_broken = self.is_broken
        life = self.life = Life(self.world, None, (Stopped,), self._has_stopped)
        self.lives.append(life)
        if len(self.lives) > 40:
            raise Red("liveness", "more than 40 lives")
        if self.lives and self.draw.random() < 0.15 and self.quiet_from_s is None and len(self.lives) > 1:
            life.dies_at = self.draw.randint(1, 150)  # in recovery, too
        machine = self.machine = SimulatedMachine(life, self.home, self._segments())
        life.transport.on_send, life.transport.on_answer = self._on_send, self.watch.on_answer
        names, wait_s = (self.scenario.strategy,), 0.0
        try:
            over = life.run(lambda _: live.life(names, self._options, self._say, nothing, machine), limit_s=400.0)
        except VenueUnreachable as error:
            self._say(f"gave up: {error}")
            self.errors.append(str(error))
            over = None
        except ClockBehind as error:
            self._say(f"clock: {error}")
            over, wait_s = None, error.behind_s
        except JournalFull as error:
            if not self.was_broken:
                raise Red("bug", f"{type(error).__name__}: {error}") from error
            self._say(f"ended: {error}")  # the reserve is used up: what a small one comes to
            over = None
        except OSError as error:
            if self.machine.show is not None or not self.was_broken:
                raise Red("bug", f"{type(error).__name__}: {error}") from error
            self._say(f"did not start: {error}")
            over = None
        except TightloopError as error:
            raise Red("bug", f"{type(error).__name__}: {error}") from error
        except Overdue as error:
            raise Red("liveness", str(error)) from error
        except Exception as error:
            self.errors.append(repr(error))
            self.said += traceback.format_exception(error)
            raise Red("bug", f"{type(error).__name__}: {error}") from error
        finally:
            self.watch.forget_life()
            self._stop_second()
            self.life = None
        if over is not None and not over.is_killed:
            self._say(f"ended: {over.result}")
            self.ended = over.result if self.settled_s is not None else None
        else:
            self._die()
        self.machine = None
        if self.ended is None:
            self.waited_until_s = self.world.now_s + wait_s
            self.world.pass_time(wait_s + self.draw.uniform(0.2, AGAIN_S))

    def _segments(self):
        count = self.scenario.segment_bytes
        return SegmentSizes(count, 4 * count, count // 4)

    def _make_disk(self):
        disk = WatchedDisk(self._on_snapshot)
        self.disks.append(disk)
        return disk

    def _has_stopped(self):
        return any(disk.has_stopped for disk in self.disks)

    def _die(self):
        """Leave to the next life what this one's death leaves of the disks."""
        self.home.die()
        for disk in self.disks:
            if self._loses_power:
                disk.lose_power(self.draw, self.draw.choice(("prefix", "sectors")))
            else:
                disk.kill()
        if self._loses_power:
            self.power_loss_count += 1
        self._loses_power = False

    _loses_power = _dies_after_order = _dies_after_snapshot = False

    def _on_send(self, call):
        """Let the checkers look at a request; end the process soon after an order has left, where that is wanted."""
        self.watch.on_send(call)
        if self._dies_after_order and call.method == "POST" and "rder" in call.url:
            self._dies_after_order = False
            self.life.dies_at = self.life.await_count + self.draw.randint(1, 6)

    def _on_snapshot(self):
        """End the process as soon as a snapshot is written, where that is wanted."""
        if self._dies_after_snapshot and self.life is not None and not self.life.is_dead:
            self._dies_after_snapshot = False
            self.life.dies_at = self.life.await_count + 1

    _is_over = False

    def _say(self, text):
        if self._is_over:
            return
        self.said.append(f"{self.world.now_s:.3f} {text}")
        self.world.note(f"said {text}")

    # Faults of our machine

    def _strike(self, kind):
        self.world.note(kind)
        if kind in ENDS:
            if self.life is None or self.life.is_dead:
                return
            self.hits[kind] += 1
            self._loses_power = kind == "power_loss" or (kind == "torn_write" and self.draw.random() < 0.5)
            if kind in ("kill", "power_loss"):
                if kind == "power_loss" and self.scenario.snapshot_s <= SNAPSHOT_SOON_S:
                    self._dies_after_snapshot = self._snapshot_draw.random() < 0.4
                    if self._dies_after_snapshot:
                        return
                self._dies_after_order = self.draw.random() < 0.5
                if not self._dies_after_order:
                    self.life.dies_at = self.life.await_count + self.draw.randint(1, 60)
            else:
                for disk in self.disks:
                    disk.stop_at = self.draw.randint(0, 40)
                    disk.torn = self.draw.random() if kind == "torn_write" else 0.0
            return
        if kind in ("clock_step", "clock_back"):
            self.hits[kind] += 1
            sign = 1 if kind == "clock_step" else -1
            self.world.machine.step_wall(sign * round(self.draw.uniform(0.5, 600.0) * SECOND_NS))
            return
        if kind == "second_engine":
            self._start_second()
            return
        if not self.disks:
            return
        self.hits[kind] += 1
        disk = self.disks[-1]
        if kind == "disk_full":
            disk.capacity = disk.used()
        elif kind == "disk_readonly":
            disk.is_readonly = True
        elif kind == "fsync_error":
            disk.fail_syncs = 1
        else:
            disk.is_behind_at_once = False
            for number in range(1, 6):
                self.world.after(number * self.draw.uniform(0.5, 1.5), disk.run_behind)
            self.world.after(TROUBLE_S, lambda: setattr(disk, "is_behind_at_once", True))
            return
        self.is_broken = self.was_broken = True
        self.world.after(self.draw.uniform(1.0, TROUBLE_S), self._repair)

    def _repair(self):
        """Repair the disks, and start the session again: it takes no entries before a person has done so."""
        for disk in self.disks:
            disk.capacity, disk.is_readonly, disk.fail_syncs, disk.is_behind_at_once = None, False, 0, True
            disk.run_behind()
        if self.is_broken and self.life is not None:
            self.life.dies_at = self.life.await_count + 1
        self.is_broken = False

    def _start_second(self):
        """Start a second engine from a copy of the home folder; it is stopped some seconds later."""
        if self.life is None or self.life.is_dead or self.machine.show is None or self.second is not None:
            return
        self.hits["second_engine"] += 1
        home = self.home.copied()
        machine = SimulatedMachine(self.life, home, self._segments())
        life, machine.transport = self.life, SimulatedTransport(self.world, lambda: life.is_dead)
        names = (self.scenario.strategy,)
        run = live.life(names, self._options, lambda text: self._say(f"second: {text}"), nothing, machine)
        self.second, self.second_machine = life.loop.create_task(run, name="second engine"), machine
        self.second.add_done_callback(lambda task: None if task.cancelled() else task.exception())
        self.had_second = True
        self.world.after(self.draw.uniform(4.0, 12.0), self._stop_second)

    def _stop_second(self):
        """Stop the second engine; what it left open at the venue is canceled by hand, once nothing is on its way."""
        if self.second is None:
            return
        self.second_machine.transport.die()
        if self.life is not None and not self.life.is_dead:
            self.second.cancel()
        run = self.second_machine.show
        self.second = None
        if run is not None:
            epoch = run.__self__._journal.epoch
            self.world.after(ON_ITS_WAY_S, lambda: self._clear_away(epoch))

    def _clear_away(self, epoch):
        """Cancel by hand what the second engine left open."""
        twin = self.twin
        for symbol in twin.boards:
            for waiting in twin.waiting(symbol):
                if self._is_of(waiting.ticket.client_id, epoch):
                    twin.withdraw(waiting)
            for order in list(twin.open_orders(symbol)):
                if self._is_of(order.ticket.client_id, epoch):
                    twin.cancel(order)

    def _is_of(self, client_id, epoch):
        name = ids.decode(client_id)
        return name is not None and name.epoch == epoch

    def _accepts_repeat(self, _symbol):
        """Accept an order whose id is open already, as venues may."""
        return "id_repeated_accepted" in self.scenario.venue

    def _late_answer_s(self, method, path):
        if self._is_faulty and method == "POST" and path.endswith("/order") and self._accepts_repeat(""):
            self.hits["id_repeated_accepted"] += 1  # an order that would be there twice if it were sent twice
        if (
            path.endswith(("/order", "/algoOrder"))
            and method == "POST"
            and self.server.venue.strikes("fill_before_ack")
        ):
            return 0.2
        return 0.0

    # The operator

    def _act(self, act):
        what, _, how = act.partition(" ")
        self._say(f"operator: {act}")
        if what == "kill":
            self.home.engage("all")
        elif what == "rearm":
            self.home.release("all")
        if what == "kill":
            self.entries_off_s = self.world.now_s
        elif what == "rearm":
            self.entries_off_s = None if not self.is_paused else self.entries_off_s
        operator = self.machine.operator if self.machine is not None else None
        if operator is None or self.life.is_dead or (what == "kill" and self.draw.random() < 0.5):
            return
        with contextlib.suppress(OSError, TightloopError):  # what a door would tell the one who asked
            operator.take(OperatorRequest(what=what, key=f"{what} {self.world.now_s}", keep=how != "flatten"))
            if what == "pause":
                self.is_paused, self.entries_off_s = True, self.world.now_s
            elif what in ("resume", "stop"):
                self.has_kept |= what == "stop" and how != "flatten"
                self.is_paused = False
                self.entries_off_s = self.entries_off_s if self.home.scopes else None

    # Faults of network and venue

    def _begin_faults(self):
        self._is_faulty = True
        self.world.faults.rates.update(self.scenario.net)
        start_ns = self.twin.now_ns
        for kind, rate in self.scenario.venue.items():
            self.server.venue.faults.arm({"kind": kind, "rate": rate}, start_ns, start_ns)

    # Quiet

    def _begin_quiet(self):
        self.world.note("quiet")
        self._is_faulty = self._dies_after_snapshot = False
        self.world.faults.end()
        self.server.venue.faults.armed.clear()
        if self.world.machine.wall_off_ns:
            self.world.machine.step_wall(-self.world.machine.wall_off_ns)
            self.is_broken = True  # a process follows a clock that was set by 0.5 ms a second
        self._repair()
        self.home.release("all")
        for disk in self.disks:
            disk.stop_at = None
        for what in ("rearm", "resume"):
            self._act(what)
        self.quiet_from_s = self.world.now_s

    def _is_well(self):
        """Return whether a process runs that is not about to be ended."""
        life = self.life
        return life is not None and not life.is_dead and (life.dies_at is None or life.dies_at < life.await_count)

    def _look(self):
        if self.life is not None and not self.life.is_dead:
            if self.second is not None:  # one loop has one handler of errors, and it is the first engine's
                self.life.loop.set_exception_handler(self.machine.show.__self__._on_bug)
            self.watch.look()
        if self.quiet_from_s is not None and self.settled_s is None:
            now_s = self.world.now_s
            if self._is_well() and self.watch.is_settled():
                self.settled_s = now_s
                self._say("settled")
                self._end()
            elif now_s > max(self.quiet_from_s, self.waited_until_s) + self._quiet_s():
                raise Red("liveness", f"not settled {self._quiet_s():g} s after the last fault: {self.watch.unsettled}")
            elif self.life is not None and self.watch.state() == "PAUSED":
                self._act("resume")
        if self.settled_s is not None and self.world.now_s > self.settled_s + END_S:
            raise Red("liveness", f"not ended {END_S:g} s after it was told to")
        self.world.after(LOOK_S, self._look)

    def _quiet_s(self):
        """Return how long the session may take.

        A minute longer where two engines have used the venue's limits, and half of one where a session before it has
        left orders: they may still fill, and what that did to the wallet is believed after 15 s without another fill.
        """
        return QUIET_S * (1 + self.had_second + 0.5 * self.has_kept)

    def _end(self):
        """End the session as the scenario says."""
        how = self.scenario.ends_by
        if how == "signal":
            self.machine.signal(15)
        elif how == "kill":
            self._act("kill")
            self._act("stop flatten")
        else:
            self._act(f"stop {how}")


def play(scenario):
    """Play a scenario; return how it went."""
    with patch.dict(os.environ, KEYS):
        played = Player(scenario).play()
    if scenario.seed % COLLECTED_EACH == 0:
        gc.collect()  # lives are full of cycles, and of arrays that the collector does not see
    return played
