"""The command: what it says, how it ends, and what it refuses."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from click.testing import CliRunner

from tightloop.adapters.data import tick_sample
from tightloop.app.cli.commands.sandbox import SAMPLES, sandbox


def started(*arguments):
    command = [sys.executable, "-m", "tightloop.app.cli.main", "sandbox", "--venue", "binance-usdm", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_says_where_it_is_and_what_to_try_and_ends_after_its_time():
    told = CliRunner().invoke(sandbox, ["--venue", "binance-usdm", "--port", "0", "--for", "0.2s", "--seed", "3"])
    assert told.exit_code == 0, told.output
    assert re.search(r"binance-usdm twin at http://127\.0\.0\.1:\d+, seed 3, speed 1x", told.output)
    assert "key twin, secret twin-secret, wallet 10,000.00 USDT of play money" in told.output
    assert "symbols BTCUSDT, ETHUSDT, PUMPAUSDT" in told.output
    assert "try: curl 'http://127.0.0.1:" in told.output
    assert "synthetic" in told.output


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_ends_it_cleanly():
    running = started("--port", "0", "--speed", "10")
    line = running.stdout.readline()
    url = re.search(r"http://[\d.:]+", line)[0]
    begun = time.monotonic()
    with urllib.request.urlopen(f"{url}/_twin/truth", timeout=10) as answer:
        assert answer.status == 200
    assert time.monotonic() - begun < 5
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=20)
    assert running.returncode == 130
    assert errors == "error: interrupted; the twin and its account are gone\n"


def test_it_listens_on_loopback_alone_and_refuses_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = CliRunner().invoke(sandbox, ["--venue", "binance-usdm", "--port", str(port), "--for", "1s"])
    assert told.exit_code == 2
    assert f"--port: {port} is taken by another program; choose another" in told.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sample", "pump", "--data", "."], "are different markets"),
        (["--from", "2024-01-01"], "belongs to --data"),
        (["--for", "soon"], "is not a length of time"),
        (["--faults", "absent.yaml"], "cannot be read"),
        (["--faults", "bad.yaml"], "bad.yaml: [1].kind: 'meteor' is not a fault"),
    ],
)
def test_what_it_refuses(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("- {kind: meteor}\n", encoding="utf-8")
    told = CliRunner().invoke(sandbox, ["--venue", "binance-usdm", "--port", "0", *arguments])
    assert (told.exit_code, said in told.output) == (2, True), told.output


def test_its_samples_are_those_of_the_laboratory():
    assert tuple(tick_sample.SCENARIOS) == SAMPLES


def test_faults_of_a_file_are_armed(tmp_path):
    file = tmp_path / "faults.yaml"
    file.write_text("- {kind: ws_drop, at_s: 600}\n- {kind: ack_lost, rate: 0.5}\n", encoding="utf-8")
    told = CliRunner().invoke(
        sandbox, ["--venue", "binance-usdm", "--port", "0", "--for", "0.1s", "--faults", str(file)]
    )
    assert told.exit_code == 0, told.output
