"""A page in a headless Chromium, driven over the DevTools pipe with the standard library alone."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
READ_BYTES = 1 << 16
TIMEOUT_S = 30.0
LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 20) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads commands from descriptor 3 and answers on 4."""


def chromium_path() -> str | None:
    """The first Chromium on this machine, None without one."""
    return next((path for name in CANDIDATES if (path := shutil.which(name))), None)


class Browser:
    """A headless Chromium for one caller at a time; tests of a process share it, because a start costs a second."""

    def __init__(self) -> None:
        path = chromium_path()
        assert path, "no Chromium on this machine"
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        options += [f"--user-data-dir={self._profile.name}", "--remote-debugging-pipe"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out), path, *options],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (theirs_in, theirs_out):
            os.close(end)
        self._number, self._unread = 0, b""
        atexit.register(self.close)

    def close(self) -> None:
        """End the browser and remove its profile."""
        self._process.kill()
        self._process.wait()
        self._profile.cleanup()

    def call(self, method: str, session: str, note: Callable[[str, Any], None], parameters: dict[str, Any]) -> Any:
        """Send a command and return its answer; events of the session that come first go to ``note``."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if "method" in answer:
                if answer.get("sessionId") == session:
                    note(answer["method"], answer["params"])
            elif answer["id"] == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _read(self) -> Any:
        while b"\0" not in self._unread:
            chunk = os.read(self._in, READ_BYTES)
            assert chunk, "the browser ended"
            self._unread += chunk
        raw, self._unread = self._unread.split(b"\0", 1)
        return json.loads(raw)


@cache
def browser() -> Browser:
    """Return the browser of this process."""
    return Browser()


class Page:
    """One tab of ``width`` x ``height`` pixels on ``file``; keeps what went wrong and every address it asked for.

    It has a context of its own: nothing that another page stored is there.
    """

    def __init__(self, file: Path, width: int = 1400, height: int = 1000, *, dark: bool = False) -> None:
        self.problems: list[str] = []
        self.addresses: list[str] = []
        self._session = ""
        self._context = self._call("Target.createBrowserContext")["browserContextId"]
        target = self._call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            self._call(f"{domain}.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=file.resolve().as_uri())

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session = ""
        self._call("Target.disposeBrowserContext", browserContextId=self._context)

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        end = time.monotonic() + TIMEOUT_S
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < end, f"{condition} did not come true; {self.problems}"
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """A mouse event: mouseMoved, mousePressed, mouseReleased or mouseWheel."""
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def _call(self, method: str, **parameters: Any) -> Any:
        return browser().call(method, self._session, self._note, parameters)

    def _note(self, method: str, event: Any) -> None:
        if method == "Runtime.exceptionThrown":
            self.problems.append(event["exceptionDetails"]["exception"].get("description", "exception"))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning"):
            self.problems.append(
                str([argument.get("value", argument.get("description")) for argument in event["args"]])
            )
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.problems.append(event["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.addresses.append(event["request"]["url"])
