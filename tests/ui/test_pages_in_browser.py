"""The built pages on a real gateway and a sandbox, in a real browser: ui/tests/e2e says what is tried."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pages
from ui.devtools import chromium_path

ROOT = Path(__file__).resolve().parents[2]
NOT_FETCHED = "TIGHTLOOP_PAGES_NOT_FETCHED"
WAIT_S = 60
HELD = {
    '{fast: "< slow"}': '{fast: "< 1"}',
    "take_profit: {type: percent, value: 0.05}": "take_profit: {type: percent, value: 50}",
    "stop_loss: {type: percent, value: 0.5}": "stop_loss: {type: percent, value: 20}",
    "max_hold_min: 1": "max_hold_min: 600",
}
"""What makes a strategy that trades often keep its position, so that there is time to look at it."""

pytestmark = [
    pytest.mark.skipif(chromium_path() is None, reason="no Chromium here: install one, e.g. apt install chromium"),
    pytest.mark.skipif(bool(os.environ.get(NOT_FETCHED)), reason="the packages of the pages cannot be fetched here"),
    pytest.mark.skipif(not pages.are_built(), reason="the pages are not built here: `python3 dev.py ui` builds them"),
    pytest.mark.skipif(sys.platform == "win32", reason="sessions do not run there"),
]


class Running:
    """A command of tightloop until it is stopped; its output goes to a file."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        program = str(Path(sys.executable).with_name("tightloop"))
        with log.open("wb") as sink:
            self._process = subprocess.Popen([program, *arguments], stdout=sink, stderr=subprocess.STDOUT)

    def said(self, pattern: str) -> str:
        """Return what the command says that matches, as soon as it does."""
        for _ in range(WAIT_S * 10):
            text = self._log.read_text(encoding="utf-8")
            if found := re.search(pattern, text):
                return found[0]
            try:
                self._process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            break
        raise AssertionError(f"{pattern} is not in what it said:\n{self._log.read_text(encoding='utf-8')}")

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def strategies(tmp_path: Path) -> Path:
    """Make a folder with a strategy that enters soon and then holds."""
    text = (ROOT / "strategies/live/first_paper.yaml").read_text(encoding="utf-8")
    for old, new in HELD.items():
        assert old in text
        text = text.replace(old, new)
    folder = tmp_path / "strategies"
    folder.mkdir()
    (folder / "first_paper.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def gateway(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, strategies: Path) -> Iterator[Running]:
    """Run a sandbox and `tightloop up` on a home of its own."""
    home = tmp_path_factory.mktemp("h")  # short, because sockets are in it
    twin = Running(tmp_path / "twin.log", "sandbox", "--venue", "binance-usdm", "--port", "0", "--speed", "10")
    try:
        url = twin.said(r"http://127\.0\.0\.1:\d+")
        where = ["--home", str(home), "--port", "0", "--strategies", str(strategies)]
        up = Running(tmp_path / "up.log", "up", *where, "--venue", f"binance-usdm={url}")
        try:
            yield up
        finally:
            up.stop()
    finally:
        twin.stop()


@pytest.mark.timeout(400)
def test_a_first_session_from_the_setup_to_the_emergency_stop(gateway: Running) -> None:
    setup = gateway.said(r"http://127\.0\.0\.1:\d+/setup#\S+")
    said = {
        "TIGHTLOOP_SETUP": setup,
        "TIGHTLOOP_ADDRESS": setup.partition("/setup")[0],
        "TIGHTLOOP_CHROMIUM": str(chromium_path()),
    }
    command = [pages.node(), str(ROOT / "ui/tests/e2e/first_session.ts")]
    done = subprocess.run(
        command, cwd=ROOT / "ui", env={**os.environ, **said}, capture_output=True, text=True, timeout=360, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    assert done.stdout.endswith("done\n")
