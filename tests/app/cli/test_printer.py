"""Lines of a session reach the screen in their order, and nobody who does not read them holds it up."""

import io
import os
import sys
import threading

from tightloop.app.cli import printer
from tightloop.app.cli.printer import Printer


def test_lines_come_in_their_order(monkeypatch):
    said, out = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(sys, "stdout", out)
    with Printer() as screen:
        for number in range(100):
            screen.say(f"line {number}")
        screen.out("{}")
    assert said.getvalue().splitlines() == [f"line {number}" for number in range(100)]
    assert out.getvalue() == "{}\n"


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_what_was_left_out_is_counted(monkeypatch):
    monkeypatch.setattr(printer, "CLOSE_S", 0.1)
    read_end, write_end = os.pipe()
    count = printer.WAITING_MAX * 2
    with os.fdopen(write_end, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        screen = Printer()

        def print_all():
            with screen:
                for _ in range(count):
                    screen.say("x" * 100)

        session = threading.Thread(target=print_all, daemon=True)
        session.start()
        session.join(60.0)
        assert not session.is_alive()
        found = b""
        while b"left out" not in found:  # whoever reads at last is told
            found = found[-200:] + os.read(read_end, 1 << 16)
            screen.say("again")
        screen.__exit__(None, None, None)
    os.close(read_end)
    assert b"lines were left out: nobody read them" in found


def test_a_reader_that_is_gone_ends_nothing(monkeypatch):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        out = io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        with Printer() as screen:
            screen.say("one")
            screen.out("two")
    assert out.getvalue() == "two\n"
