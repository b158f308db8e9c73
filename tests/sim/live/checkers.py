"""Checkers C1 to C11: what must hold whatever befalls a session, looked at from outside, by the venue's truth.

Some look on the way (``look``, each 0.25 s; ``on_send``, at each request that leaves), the others when all is over. A
checker that finds something raises Red.
"""

import json
import math
from bisect import bisect_left
from collections import defaultdict
from urllib.parse import parse_qs, urlsplit

import numpy as np
from tests.app.runs.live.trading import differences

from sim.virtual.twin import SECRET
from tightloop.app.runs.live import desks, files
from tightloop.app.runs.strategies import load_strategies
from tightloop.app.sandbox import control
from tightloop.core.domain.enums import Correction, EventKind, RowKind, SessionControl
from tightloop.core.domain.types import EVENT, LOG_ROW
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.records import command_of
from tightloop.runtime.session.desk.state import Style, Wire
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.session import state_hash
from tightloop.runtime.session.journal import RecordKind, events
from tightloop.runtime.session.journal import snapshots as snapshot_files
from tightloop.runtime.session.market.intake import CAPACITY

EXIT_WITHIN_S = 1.0
TOLD_WITHIN_S = 2.5  # the kill switch is looked at each second, and an entry may be signed already
STOP_WITHIN_S = 5.0
LOOKS_S = 0.5  # between what happened and the look that sees it, at most
NOTIONAL_MAX = 500.0 * 1.02
ARRIVES_S = 5.0
"""For how long a request may be on its way: its receive window."""
QUEUES_MAX = {"asked": 512, "calls": 512, "unmapped": 64, "open orders": 256, "wanted": 64, "requests": 512}
"""Of requests: what the venue's budget lets leave (40 a second) for as long as an answer is awaited (10 s), and some. A
strategy in Python asks for an exit again and again while no exit is answered: each is an open order."""
IMPLIED = ("fee of fill", "is_maker of fill")
"""What a fill that was booked by an average keeps as estimated; the wallet has the fee that was paid."""
LOSE_TAILS = ("power_loss", "torn_write", "disk_full", "disk_readonly", "fsync_error", "slow_disk")
BESIDE_A_SECOND = ("wallet", "position", "open orders")
"""What a session agrees on with the venue where a second engine has traded; whose each fill is, both cannot know."""
QUANTITY = 1e-9
MONEY = 1e-6
_SYNC_KINDS = (int(RowKind.SUBMIT), int(RowKind.FILL))


class Red(SystemExit):
    """A checker found something. A SystemExit, so that no loop and no handler keeps it."""

    def __init__(self, checker, text):
        super().__init__(f"{checker}: {text}")
        self.checker = checker


class Watch:
    """Looks at one seed."""

    def __init__(self, player):
        self._player = player
        self._struck, self._trouble_s = 0, 0.0
        self._waiting_s, self._bare_s = {}, {}
        self._lives = {}  # which process had an epoch, by session and epoch
        self._unanswered = {}  # entries that left: symbol, quantity and when, by client id
        self.unsettled = "no life yet"

    # On the way

    def _run(self):
        """Return the session that runs and takes requests; None."""
        machine = self._player.machine
        return None if machine is None or machine.show is None else machine.show.__self__

    def state(self):
        """Return the state of the session; "" if none takes requests."""
        run = self._run()
        return "" if run is None else str(run.state)

    def forget_life(self):
        self._waiting_s.clear()
        self._bare_s.clear()

    def _now_s(self):
        return self._player.world.now_s

    def look(self):
        """Look at the session as it is now."""
        run = self._run()
        if run is None:
            return
        now_s = self._now_s()
        struck = sum(self._player.world.faults.hits.values()) + sum(self._player.server.venue.faults.hits.values())
        desk = run._account.fold.desk.state
        is_limited = desk.lanes.paused_ns > run._clock.now_ns()
        if struck != self._struck or is_limited or self._player.is_broken:
            self._struck, self._trouble_s = struck, now_s
        if not all(self._player.life.transport.connected.values()):
            self._trouble_s = now_s  # a connection is dead, and neither side knows
        self._balances(run)
        self._exits_leave(run, desk, now_s)
        self._stops_are_there(run, desk, now_s)
        self._queues(run, desk)

    def _calm_s(self, since_s):
        """Return for how long something has been so while the venue was reachable."""
        return self._now_s() - max(since_s, self._trouble_s)

    def _balances(self, run):
        """C3: books balance per asset."""
        state = run._session.plan.states[0]
        total = float(state["balances"].sum())
        if not abs(total) <= MONEY:
            raise Red("C3", f"the accounts sum to {total!r}")

    def _exits_leave(self, run, desk, now_s):
        """C7: an exit at market is sent within a second."""
        waiting = {}
        for order_id in desk.open_ids:
            order = desk.orders[order_id]
            is_out = any(one.wire != Wire.QUEUED for one in order.attempts)
            if order.style == Style.CLOSING and not order.is_ended and order.ending == 0 and not is_out:
                waiting[order_id] = self._waiting_s.get(order_id, now_s)
        self._waiting_s = waiting
        for order_id, since_s in waiting.items():
            if self._calm_s(since_s) > EXIT_WITHIN_S + LOOKS_S:
                raise Red("C7", f"exit {order_id} has not left for {now_s - since_s:.2f} s")

    def _stops_are_there(self, run, desk, now_s):
        """C8: no position stands without a stop or an exit under way."""
        state, twin = run._session.plan.states[0], self._player.twin
        held = {found.symbol for found in twin.ledger.open_holdings()}
        bare = {}
        for number in range(int(state["instance_count"])):
            at = int(state["instances"][number]["instrument"])
            symbol = run._session.plan.instruments[at].symbol
            if state["positions"][number]["qty"] == 0.0 or symbol not in held:
                continue
            covers = [one.ticket for one in twin.waiting(symbol)]
            covers += [one.ticket for one in twin.open_orders(symbol) if one.ticket.price is None]
            exits = [
                one
                for one in desk.open_ids
                if desk.orders[one].style == Style.CLOSING
                and desk.orders[one].wanted.instrument == at
                and any(attempt.is_at_venue for attempt in desk.orders[one].attempts)
            ]
            if not any(one.is_reduce_only for one in covers) and not exits:
                bare[number] = self._bare_s.get(number, now_s)
        self._bare_s = bare
        for number, since_s in bare.items():
            if self._calm_s(since_s) > STOP_WITHIN_S + LOOKS_S:
                raise Red("C8", f"instance {number} has a position without a stop for {now_s - since_s:.2f} s")

    def _queues(self, run, desk):
        """C10: queues stay within limits."""
        sizes = {
            "asked": len(desk.asked), "calls": len(run._calls), "unmapped": len(desk.unmapped),
            "open orders": len(desk.open_ids), "wanted": len(run._rounds.wanted),
            "requests": len(run._account.fold.requests),
        }  # fmt: skip
        for name, count in sizes.items():
            if count > QUEUES_MAX[name]:
                raise Red("C10", f"{count} {name}")
        if len(run._session.intake) > CAPACITY:
            raise Red("C10", "the intake is beyond its capacity")

    def on_send(self, call):
        """C1: orders have names. C9: no entry leaves that was decided while entries were off. C5: nor beside others."""
        parts = urlsplit(call.url)
        if call.method != "POST" or not parts.path.endswith(("/order", "/algoOrder")):
            return
        said = parse_qs(parts.query + "&" + call.body.decode())
        client_id = said.get("newClientOrderId", said.get("clientAlgoId", [""]))[0]
        self._names(client_id, call)
        if said.get("reduceOnly", ["false"])[0] == "true" or self._run() is None:
            return
        off_s = self._player.entries_off_s
        if off_s is not None and self._now_s() > off_s + TOLD_WITHIN_S:
            raise Red("C9", f"an entry leaves {self._now_s() - off_s:.2f} s after entries were switched off")
        symbol, qty = said["symbol"][0], float(said["quantity"][0])
        self._others_than(client_id, symbol, qty)
        self._unanswered[client_id] = symbol, qty, self._now_s()

    def _names(self, client_id, call):
        """C1: an order has a name of ours, of an epoch that no other process of its session has had."""
        name, life = ids.decode(client_id), len(self._player.lives)
        if name is None:
            raise Red("C1", f"an order without a name of ours leaves: {call.url}")
        if self._lives.setdefault((name.session, name.epoch), life) != life:
            raise Red("C1", f"order {client_id} leaves with the epoch of an earlier process")

    def on_answer(self, call, answer):
        """Note that an entry is not unknown any more: its answer has come, and says what became of it."""
        if answer.status < 500 and self._unanswered:
            said = parse_qs(urlsplit(call.url).query + "&" + call.body.decode())
            self._unanswered.pop(said.get("newClientOrderId", [""])[0], None)

    def _others_than(self, client_id, symbol, qty):
        """C5: what a symbol may hold, with all that is open and all that is unknown as filled, is one entry."""
        player, now_s = self._player, self._now_s()
        twin, listing = player.twin, player.twin.boards[symbol].listing
        held = abs(listing.qty(twin.ledger.holding(symbol, "BOTH").lots))
        resting = sum(listing.qty(one.left) for one in twin.open_orders(symbol) if not one.ticket.is_reduce_only)
        known = {one.ticket.client_id for one in twin.orders.values()}
        self._unanswered = {
            name: one
            for name, one in self._unanswered.items()
            if name not in known and now_s - one[2] <= ARRIVES_S and name != client_id
        }
        unknown = sum(one[1] for one in self._unanswered.values() if one[0] == symbol)
        others = held + resting + unknown
        # A loss of power takes what was sent last from the journal: until the venue tells of it, nobody knows.
        lost_count = 0 if player.scenario.is_power_safe else player.power_loss_count
        if others > qty * (0.5 + lost_count) and not player.had_second:
            said = f"{held} held, {resting} resting, {unknown} unknown"
            raise Red("C5", f"entry {client_id} of {qty} {symbol} leaves beside {said}")

    # Settled

    def is_settled(self):
        """Return whether the session is ready and has the venue's truth (C2); ``unsettled`` says what it lacks."""
        run = self._run()
        if run is None:
            self.unsettled = f"no session takes requests; last errors {self._player.errors[-2:]}"
            return False
        view = run.show()
        found = [] if view["state"] == "RUNNING" else [f"state {view['state']}"]
        found += [] if view["is_ready"] else ["not ready"]
        found += [f"unknown {view['unknown']}"] if view["unknown"] else []
        known = differences(self._truth(view["id"]), view)
        if self._player.had_second:
            known = [one for one in known if one.startswith(BESIDE_A_SECOND)]
        found += [one for one in known if not one.startswith(IMPLIED)]
        self.unsettled = found
        return not found

    def _truth(self, session):
        """Return the venue's truth, with the orders and fills of one session alone."""
        truth = control.truth(self._player.server.venue)
        code = ids.session_code(session)

        def is_ours(row):
            name = ids.decode(row["client_id"])
            return name is None or name.session == code

        orders = [row for row in truth["orders"] if is_ours(row)]
        return {**truth, "orders": orders, "fills": [row for row in truth["fills"] if is_ours(row)]}

    # At the end

    def at_end(self):
        """Look at what all lives together have done."""
        player = self._player
        self._executed_once()
        self._nothing_strange()
        self._limits()
        sessions = player.home.sessions()
        strategies = load_strategies([player.scenario.strategy], instruments=(), account=None)
        for about in sessions:
            self._repeated(about, strategies, is_last=about["id"] == player.ended.session)
        self._no_secret()

    def _orders(self):
        """Return the venue's orders of ours by what names them, those that stops sent counted with their stops."""
        truth = control.truth(self._player.server.venue)
        stops = {row["actual_order_id"]: row for row in truth["orders"] if row.get("actual_order_id")}
        found = defaultdict(list)
        for row in truth["orders"]:
            name = ids.decode(stops.get(row["order_id"], row)["client_id"])
            if name is not None:
                found[name].append(row)
        return found

    def _executed_once(self):
        """C1: what was intended was executed at most once; a second engine intends the same under its own epoch."""
        filled, entries = defaultdict(float), defaultdict(list)
        for name, rows in self._orders().items():
            plain = [row for row in rows if row["cum_qty"] or "actual_order_id" not in row]
            if len(plain) > 1 and not self._player.had_second:
                raise Red("C1", f"{len(plain)} orders under one name: {plain}")
            for row in plain:
                if row["cum_qty"] > row["qty"] + QUANTITY:
                    raise Red("C1", f"filled beyond its quantity: {row}")
                if not row["reduce_only"]:
                    epoch = name.epoch if self._player.power_loss_count else 0
                    filled[name.session, epoch, name.order_id] += row["cum_qty"]
                    entries[name.session, epoch, name.order_id].append(row["qty"])
        for key, qty in () if self._player.had_second else filled.items():
            if qty > max(entries[key]) + QUANTITY:
                raise Red("C1", f"order {key} was executed {len(entries[key])} times, {qty} in all")

    def _nothing_strange(self):
        """C1: what a session finds at the venue is its own, and of a lost tail only where a tail was lost."""
        player = self._player
        if player.had_second or len(player.home.about) > 1:
            return
        has_lost = any(player.hits[kind] for kind in LOSE_TAILS)
        for line in player.said:
            if " manual " in line or (" lost_tail " in line and not has_lost):
                raise Red("C1", f"taken for what nobody here has done: {line}")

    def _limits(self):
        """C5: no position of ours was ever larger than one entry, and none was turned through flat by an exit.

        Each session may have one, and a second engine until both have seen each other.
        """
        truth = control.truth(self._player.server.venue)
        held, value = defaultdict(float), {}
        for fill in truth["fills"]:
            symbol = fill["symbol"]
            held[symbol] += fill["qty"] if fill["side"] == "BUY" else -fill["qty"]
            value[symbol] = abs(held[symbol]) * fill["price"]
            if value[symbol] > NOTIONAL_MAX * (len(self._player.home.about) + self._player.had_second):
                raise Red("C5", f"{held[symbol]} of {symbol} is worth {value[symbol]:.2f}: {fill}")

    def _repeated(self, about, strategies, *, is_last):
        """C6: the journal gives the same State from its beginning and from each snapshot; C4, C9: what its rows say."""
        player = self._player
        disk = player.home.disks[about["id"]]
        if not disk.names(files.JOURNAL):
            return
        seen = Rows(is_alone=not player.had_second and len(player.home.about) == 1)
        plan = files.plan_of(strategies, about)
        self._run_again(plan, about, disk, None, seen)
        found = state_hash(plan)
        if is_last and found != player.ended.state_hash:
            raise Red("C6", f"the journal gives {found}, the session ended with {player.ended.state_hash}")
        for name in snapshot_files.names(disk, files.SNAPSHOTS):
            again = files.plan_of(strategies, about)
            self._run_again(again, about, disk, snapshot_files.unpack(disk.read(f"{files.SNAPSHOTS}/{name}")), None)
            if state_hash(again) != found:
                raise Red(
                    "C6", f"from snapshot {name} the journal gives {state_hash(again)}, from its beginning {found}"
                )
        if player.power_loss_count == 0:  # with it, ids of a lost tail are used again
            self._booked(about["id"], seen)

    def _run_again(self, plan, about, disk, snapshot, seen):
        account = desks.repetition(plan, about)
        poisoned = frozenset(
            int(json.loads(record.payload)["seq"])
            for record, _ in events(disk, files.JOURNAL, 0)
            if record.kind == RecordKind.POISON
        )
        try:
            if snapshot is None:
                repetition, from_seq = files.Repetition(plan, poisoned=poisoned, account=account), 0
            else:
                repetition, from_seq = snapshots.restored(plan, snapshot, poisoned, account), snapshot.seq
            found = events(disk, files.JOURNAL, from_seq)
            if seen is not None:
                found = seen.following(repetition, found)
            repetition.run(found)
        except Exception as error:
            raise Red("C6", f"the journal of {about['id']} is not repeated: {type(error).__name__}: {error}") from error
        return repetition

    def _booked(self, session, seen):
        """C4: what is booked of an order is what the venue executed of it, and no more."""
        code, executed = ids.session_code(session), defaultdict(float)
        for name, rows in self._orders().items():
            if name.session == code:
                executed[name.order_id] += sum(row["cum_qty"] for row in rows if "actual_order_id" not in row)
        for order_id, qty in seen.filled.items():
            if order_id in executed and qty > executed[order_id] + QUANTITY:
                raise Red("C4", f"{qty} of order {order_id} is booked, the venue executed {executed[order_id]}")

    def _no_secret(self):
        """C11: the secret is in no file, log or exception."""
        player, secret = self._player, SECRET.encode()
        texts = ["\n".join(lines) for lines in (*player.home.logs.values(), player.said, player.errors)]
        texts += player.home.about.values()
        if any(SECRET in text for text in texts):
            raise Red("C11", "the secret is in a log, a message or session.json")
        for disk in player.disks:
            for path, content in disk.files.items():
                if secret in content.seen:
                    raise Red("C11", f"the secret is in {path}")


class Rows:
    """What the rows of a journal add up to, read beside a repetition of it. ``is_alone``: no other engine traded."""

    def __init__(self, *, is_alone):
        self.held, self.filled = defaultdict(float), defaultdict(float)
        self._is_alone, self._is_corrected = is_alone, False
        self._is_ready, self._closed_by = False, set()
        self._gate_ns, self._why = [0], ["it is not ready"]
        self._last_ns = 0

    def following(self, repetition, found):
        """Yield the records, and follow what they made; raise Red for an entry that was decided while none may be."""
        state = repetition.plan.states[0]
        inner = repetition.driver.on_rows

        def keep(log):
            start = len(repetition._made)
            inner(log)
            self._take(np.frombuffer(bytes(repetition._made[start:]), LOG_ROW))
            self._compare(state)

        repetition.driver.on_rows = keep
        for record, event in found:
            if record.kind == RecordKind.EPOCH:  # a process begins, and knows nothing of the venue
                self._is_ready = False
                self._note_gate(self._last_ns)
            elif record.kind == RecordKind.FACT:
                fact = np.frombuffer(event, EVENT)[0]
                self._last_ns = int(fact["ts_init_ns"])
                self._follow_gate(fact)
                self._follow_corrections(fact)
            yield record, event

    def _follow_corrections(self, fact):
        """C4: where nobody else trades, executions explain every position."""
        kind, why = int(fact["kind"]), int(fact["reason"])
        if kind == EventKind.POSITION_CORRECTED:
            self._is_corrected = True
        is_strange = kind == EventKind.POSITION_CORRECTED or (
            kind == EventKind.BALANCE_CORRECTED and why in (Correction.UNEXPLAINED, Correction.POSITION)
        )
        if is_strange and self._is_alone:
            raise Red("C4", f"{EventKind(kind).name} of {fact['qty']} or {fact['amount']}, and nobody else trades here")

    def _follow_gate(self, fact):
        """Note from when to when entries were off: from the fact that closes the gate to the one that opens it."""
        if fact["kind"] != EventKind.SESSION_CONTROL:
            return
        what = int(fact["reason"])
        if what in (SessionControl.READY, SessionControl.NOT_READY):
            self._is_ready = what == SessionControl.READY
        elif what == SessionControl.RESUMED:
            self._closed_by.discard("it is paused")
        else:
            self._closed_by.add("it is paused" if what == SessionControl.PAUSED else "it is being stopped")
        self._note_gate(int(fact["ts_init_ns"]))

    def _note_gate(self, ns):
        self._gate_ns.append(ns)
        self._why.append(" and ".join([*sorted(self._closed_by), *([] if self._is_ready else ["it is not ready"])]))

    def _take(self, rows):
        for row in rows[np.isin(rows["kind"], _SYNC_KINDS)]:
            if row["kind"] == RowKind.FILL:
                self.held[int(row["instance"])] += float(row["side"]) * float(row["qty"])
                self.filled[int(row["order_id"])] += float(row["qty"])
            elif not command_of(row).is_exit:
                why = self._why[bisect_left(self._gate_ns, int(row["ts_ns"])) - 1]
                if why:
                    raise Red("C9", f"entry {int(row['order_id'])} was made while {why}")

    def _compare(self, state):
        """C4: a position is the sum of the fills of its instance, at any time."""
        for number in range(0 if self._is_corrected else int(state["instance_count"])):
            held = float(state["positions"][number]["qty"])
            if not math.isclose(held, self.held[number], abs_tol=QUANTITY):
                raise Red("C4", f"instance {number} holds {held}, its fills sum to {self.held[number]}")
