"""Live sessions on the sandbox, as a user runs them, held against the twin's truth."""

import json
import subprocess

import pytest

from tests.app.runs.live.trading import QUICK, TIGHTLOOP, Live, Twin, differences, keys, live_command, settled, show


@pytest.fixture
def twin():
    found = Twin()
    yield found
    found.close()


@pytest.fixture
def start(twin, tmp_path):
    """Start sessions that end with the test."""
    begun = []

    def begin(*options, file=QUICK):
        begun.append(Live(tmp_path, twin.url, *options, file=file))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()


def traded(shown, fills=4):
    return shown["state"] == "RUNNING" and shown["seq"] > 300 and shown["equity"] != 10_000.0


def test_a_session_that_trades_is_killed_and_goes_on_shows_what_is_true(twin, tmp_path, start):
    first = start()
    before = first.until(traded)
    first.kill()
    second = start()
    after = second.until(lambda shown: traded(shown) and shown["seq"] > before["seq"] + 300)
    assert after["id"] == before["id"]
    code = second.stop("--keep")
    truth, shown = twin.truth(), show(tmp_path)
    assert differences(truth, shown) == []
    assert len(shown["fills"]) >= 4
    assert code == (5 if shown["positions"] else 0)
    assert shown["epoch"] == 2
    assert "twin-secret" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode(
        "latin-1"
    )
    found = subprocess.run(
        [*TIGHTLOOP, "replay", shown["id"], "--home", str(tmp_path), "--json"], capture_output=True, check=True
    )
    assert json.loads(found.stdout)["state_hash"] == shown["state_hash"]
