"""`tightloop journal` as a user meets it: what it prints and how it ends."""

import json
import zlib

import numpy as np
import pytest
from click.testing import CliRunner

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.cli.commands.home.journal import journal
from tightloop.app.runs.live import files
from tightloop.core.domain.enums import EventKind, Reason, RowKind
from tightloop.core.domain.types import EVENT, LOG_ROW
from tightloop.ports.transport import HttpAnswer
from tightloop.runtime.session.account.inputs import AccountInput, InputKind, prices_body, reply_body
from tightloop.runtime.session.journal import FactWriter, Journal, RecordKind, SegmentSizes, records, snapshots

FOLDER = "sessions/s1/journal"


def run(*arguments):
    return CliRunner().invoke(journal, [str(argument) for argument in arguments])


@pytest.fixture
def home(tmp_path):
    """A home folder with a journal of a session that ran."""
    made = Journal.create(LocalDisk(tmp_path), FOLDER, "s1", 1, sizes=SegmentSizes(4_096, 4_096, 1_024))
    event = np.zeros(40, EVENT)
    event["kind"], event["instrument"], event["ts_init_ns"] = EventKind.TRADE.value, 3, 10**18 + np.arange(40)
    event["price"], event["qty"], event["order_id"] = 101.5, np.nan, 77
    FactWriter(made).append([(row.tobytes(), b"\x01\0rows" * 20) for row in event])
    made.append(RecordKind.OPERATOR, b'{"by": "ann"}')
    made.append(RecordKind.POISON, b"it failed")
    made.close()
    return tmp_path


def flip(home, file, byte):
    path = home / FOLDER / file
    raw = bytearray(path.read_bytes())
    raw[byte] ^= 16
    path.write_bytes(raw)


def test_a_sound_journal_is_told_so(home):
    result = run("check", "s1", "--home", home)
    assert result.exit_code == 0
    assert result.stdout == "sound  s1: 83 records in 2 segments, epoch 1\n"
    plain = json.loads(run("check", "s1", "--home", home, "--json").stdout)
    assert plain == {
        "session": "s1", "is_sound": True, "segments": 2, "records": 83, "epoch": 1, "fault": None, "cuts": [],
        "reduced": 0, "damaged_snapshots": [],
    }  # fmt: skip


def test_damage_is_told_with_file_and_byte_and_is_not_cut_when_records_follow(home):
    record = list(records(LocalDisk(home), FOLDER))[5]
    flip(home, record.file, record.offset + 14)
    result = run("check", "s1", "--home", home)
    assert result.exit_code == 1
    assert result.stdout.startswith(
        f"damaged  000001.tlj at byte {record.offset}: the record is damaged; valid records"
    )
    assert "sound before it: 5 records in 1 segment, epoch 1" in result.stdout
    plain = json.loads(run("check", "s1", "--home", home, "--json").stdout)
    assert (plain["fault"]["kind"], plain["fault"]["offset"]) == ("corrupt", record.offset)
    before = (home / FOLDER / record.file).read_bytes()
    result = run("cut", "s1", "--home", home)
    assert result.exit_code == 1
    assert f"error: 000001.tlj at byte {record.offset}" in result.stderr
    assert (home / FOLDER / record.file).read_bytes() == before
    result = run("dump", "s1", "--home", home)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 5
    assert f"error: 000001.tlj at byte {record.offset}" in result.stderr


def test_a_damaged_snapshot_is_named_and_the_journal_is_sound_without_it(home):
    disk = LocalDisk(home)
    for place, seq in ((files.SNAPSHOTS, 7), (files.BASES, 9)):
        snapshots.save(disk, f"sessions/s1/{place}", snapshots.Snapshot("s1", seq, {"state": bytes(100)}))
    flip(home, "../snapshots/000000000007.tls", -1)
    result = run("check", "s1", "--home", home)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith(
        "warning: sessions/s1/snapshots/000000000007.tls: part state is dam"
    )
    flip(home, "../snapshots/000000000007.tls", -1)
    flip(home, "../bases/000000000009.tls", 40)
    plain = json.loads(run("check", "s1", "--home", home, "--json").stdout)
    assert plain["is_sound"]
    assert plain["damaged_snapshots"] == [{"file": "sessions/s1/bases/000000000009.tls", "text": "the head is damaged"}]


def test_a_broken_end_is_cut_and_what_was_moved_is_said(home):
    last = list(records(LocalDisk(home), FOLDER))[-1]
    flip(home, last.file, last.offset + 13)
    result = run("check", "s1", "--home", home)
    assert result.exit_code == 1
    assert f"nothing valid follows: `tightloop journal cut s1 --home {home}`" in result.stdout
    result = run("dump", "s1", "--home", home)
    assert (result.exit_code, len(result.stdout.splitlines())) == (1, 82)
    assert f"warning: {last.file} at byte {last.offset}: the record is incomplete or damaged" in result.stderr
    result = run("cut", "s1", "--home", home)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"cut {last.file} at byte {last.offset}: the record is incomplete or damaged",
        "moved 21 bytes: 000002.tail",
    ]
    result = run("check", "s1", "--home", home)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == (f"cut before: {last.file} at byte {last.offset}, 21 bytes (000002.tail)")
    assert run("cut", "s1", "--home", home).stdout == "nothing to cut: the journal is sound\n"


def test_dump_prints_each_record_as_json(home):
    lines = [json.loads(line) for line in run("dump", "s1", "--home", home).stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(83))
    assert lines[0]["kind"] == "EPOCH"
    assert lines[0]["content"]["epoch"] == 1
    fact = lines[7]
    assert (fact["kind"], fact["file"]) == ("FACT", "000001.tlj")
    assert fact["event"] == {
        "kind": "TRADE", "instrument": 3, "ts_init_ns": 10**18 + 3, "order_id": 77, "price": 101.5, "qty": None,
    }  # fmt: skip
    assert lines[8]["hex"] == (b"\x01\0rows" * 20).hex()
    assert lines[81]["content"] == {"by": "ann"}
    assert lines[82]["text"] == "it failed"
    chosen = run("dump", "s1", "--home", home, "--from", 80, "--kind", "operator", "--kind", "POISON").stdout
    assert [json.loads(line)["seq"] for line in chosen.splitlines()] == [81, 82]


def test_dump_says_what_rows_hashes_and_answers_are(tmp_path):
    made = Journal.create(LocalDisk(tmp_path), FOLDER, "s1", 1)
    rows = np.zeros(2, LOG_ROW)
    rows["kind"], rows["order_id"], rows["price"] = [RowKind.SUBMIT, RowKind.ORDER], 7, [100.5, np.nan]
    rows["reason"] = [0, Reason.PAUSED]
    made.append(RecordKind.ROWS, zlib.compress(rows.tobytes()))
    made.append(RecordKind.TICKED, (1_083).to_bytes(8, "little") + (0x378A).to_bytes(8, "little"))
    answer = HttpAnswer(200, {}, b'{"orderId": 5}')
    made.append(RecordKind.ANSWER, AccountInput(InputKind.REPLY, 9, 3, reply_body(answer)).packed())
    made.append(RecordKind.ANSWER, AccountInput(InputKind.FRAME, 9, 0, b'{"e": "x"}').packed())
    made.append(RecordKind.ANSWER, AccountInput(InputKind.PRICES, 9, 1, prices_body(1.0, 2.0, np.nan, 3.0)).packed())
    made.close()
    lines = [json.loads(line) for line in run("dump", "s1", "--home", tmp_path).stdout.splitlines()]
    assert lines[1]["rows"] == [
        {"kind": "SUBMIT", "order_id": 7, "price": 100.5}, {"kind": "ORDER", "order_id": 7, "reason": "paused"},
    ]  # fmt: skip
    assert lines[2]["ticked"] == {"seq": 1_083, "hash": "000000000000378a"}
    assert lines[3]["answer"] == {
        "kind": "REPLY", "now_ns": 9, "number": 3, "status": 200, "content": {"orderId": 5},
    }  # fmt: skip
    assert lines[4]["answer"]["content"] == {"e": "x"}
    assert lines[5]["answer"] == {
        "kind": "PRICES", "now_ns": 9, "number": 1, "bid": 1.0, "ask": 2.0, "last": None, "mark": 3.0,
    }  # fmt: skip


def test_a_running_session_can_be_looked_at_and_not_cut(home):
    running, _ = Journal.open(LocalDisk(home), FOLDER)
    assert run("check", "s1", "--home", home).exit_code == 0
    result = run("cut", "s1", "--home", home)
    assert result.exit_code == 2
    assert "s1 is running; stop it first" in result.stderr
    running.close()


@pytest.mark.parametrize("command", ["check", "dump", "cut"])
@pytest.mark.parametrize("name", ["s2", "../s1", "", "."])
def test_a_session_that_is_not_there_is_bad_input(home, command, name):
    result = run(command, name, "--home", home)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: command line: ID: {name} has no journal in {home}; there are s1")


def test_a_home_without_sessions_and_an_unknown_kind_are_bad_input(home, tmp_path):
    result = run("check", "s1", "--home", tmp_path / "none")
    assert result.exit_code == 2
    assert "--home names another folder" in result.stderr
    assert not (tmp_path / "none").exists()
    result = run("dump", "s1", "--home", home, "--kind", "facts")
    assert result.exit_code == 2
    assert "'facts' is no kind of record; write some of FACT, ROWS," in result.stderr


def test_last_is_the_newest_session(home):
    made = Home(home)
    for name, made_ns in (("s1", 2), ("s0", 1)):
        (home / "sessions" / name).mkdir(exist_ok=True)
        made.write_session(name, {"id": name, "made_ns": made_ns})
    assert run("check", "last", "--home", home).stdout.startswith("sound  s1:")
    assert '"by": "ann"' in run("dump", "last", "--home", home, "--kind", "operator").stdout
    assert run("cut", "last", "--home", home).stdout == "nothing to cut: the journal is sound\n"


def test_last_of_a_home_without_sessions_is_told_so(tmp_path):
    result = run("check", "last", "--home", tmp_path)
    assert result.exit_code == 2
    assert "there is no session 'last'" in result.stderr
