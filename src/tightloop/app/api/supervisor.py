"""What ``tightloop up`` is: the parent of the gateway and of sessions. It speaks no HTTP.

    gateway     started, and started again when it ends; a gateway that an earlier supervisor left is replaced
    the port    bound here and passed on: nothing else can listen there, between two gateways neither
    sessions    started for requests of the gateway; those that still run are adopted
    the end     gateway first, then sessions, positions kept; exit code 5 if one has a position

Children have process groups of their own: with the supervisor killed they go on.
"""

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tightloop.adapters.stores.home import Home, Lease
from tightloop.app.api import gateway, starts
from tightloop.app.api.children import Engines
from tightloop.app.api.security.passwords import Passwords, check_strength
from tightloop.app.api.security.roles import UserRole
from tightloop.app.api.security.users import Users
from tightloop.app.api.server import built_pages
from tightloop.app.api.settings import LOOPBACK, GatewayLimits, GatewaySettings
from tightloop.app.api.store import GatewayStore
from tightloop.app.api.strategies.files import ID, StrategyFiles
from tightloop.model.errors import InputError, TightloopError
from tightloop.model.files.alone import is_alone

HELD = 3
LOOK_S, GATEWAY_END_S, BEGIN_S = 0.05, 5.0, 30.0
AGAIN_S, AGAIN_MAX_S, STEADY_S = 0.2, 5.0, 30.0
PASSWORD_FILE = "TIGHTLOOP_ADMIN_PASSWORD_FILE"
ADMIN = "admin"
Say = Callable[[str], None]


class SupervisorHeld(TightloopError):
    """Another supervisor runs this home."""

    exit_code = HELD


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """Options of ``tightloop up``. ``for_s``: how long it runs, None: until it is stopped."""

    settings: GatewaySettings
    strategies: tuple[Path, ...] = ()
    for_s: float | None = None


def up(options: UpOptions, say: Say) -> int:
    """Run a home until a signal; return the exit code. Raises InputError, SupervisorHeld, OSError."""
    settings = _settled(options.settings)
    home = Home(settings.home)
    home.make()
    lease = home.take(starts.SUPERVISOR)
    if not isinstance(lease, Lease):
        raise SupervisorHeld(f"`tightloop up` runs already for {home.root}, as process {lease['pid']}")
    try:
        lease.write("", 0)
        (home.root / "logs").mkdir(mode=0o700, exist_ok=True)
        for folder in options.strategies:
            keep_strategies(home, folder, say)
        return Supervisor(home, settings, say).run(options.for_s)
    finally:
        lease.close()


def _settled(settings: GatewaySettings) -> GatewaySettings:
    """Return settings with what is left to choose. Raises InputError."""
    if settings.host not in LOOPBACK and settings.cert is None and not settings.proxies:
        remedy = "name --cert and --cert-key, or --behind-proxy with the proxy's address; see docs/api.md"
        message = f"{settings.host} is no address of this machine alone, and passwords would cross the network in clear"
        raise InputError.one("command line", None, "--host", message, remedy)
    port = settings.port or _free_port(settings.host)
    return replace(settings, port=port, pages=settings.pages or built_pages())


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        one.bind((host, 0))
        return int(one.getsockname()[1])


def bound(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at a port of each address of a host. Raises InputError if another has the port."""
    found: list[socket.socket] = []
    failed: OSError | None = None
    try:
        for family, kind, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                found.append(_listening(family, kind, address))
            except OSError as error:
                failed = error
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # this machine has no such address
                    raise
    except OSError as error:
        for one in found:
            one.close()
        found, failed = [], error
    if not found:
        why = failed.strerror if failed is not None else "the host has no address"
        remedy = f"end what listens there (`ss -ltnp 'sport = :{port}'` names it), or name another port with --port"
        raise InputError.one("command line", None, "--port", f"port {port} of {host} cannot be had: {why}", remedy)
    return found


def _listening(family: int, kind: int, address: Any) -> socket.socket:
    one = socket.socket(family, kind)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # right after one that ended
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(gateway.BACKLOG)
    except OSError:
        one.close()
        raise
    return one


def keep_strategies(home: Home, folder: Path, say: Say) -> None:
    """Keep the strategies of a folder as versions of the home; a file that needs others is named, and left out."""
    files = StrategyFiles(home.root)
    for file in sorted(folder.glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        if ID.fullmatch(file.stem) is None or not is_alone(text):
            say(f"{file} is left out: it needs other files, or is no strategy; start it with `tightloop paper`")
            continue
        files.keep(file.stem, text)


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what opens an account: the gateway never sees it."""
    ends = ("_KEY", "_SECRET", "_PASSPHRASE", "_PASSWORD_FILE")
    return {
        name: value for name, value in environment.items()
        if not (name.startswith("TIGHTLOOP_") and name.endswith(ends))
    }  # fmt: skip


class Supervisor:
    """Runs one home."""

    def __init__(self, home: Home, settings: GatewaySettings, say: Say) -> None:
        self._home, self._settings, self._print = home, settings, say
        self._engines = Engines(home, settings, self._say)
        self._sockets: list[socket.socket] = []
        self._gateway: subprocess.Popen[bytes] | None = None
        self._begun_s = 0.0
        self._wait_s = AGAIN_S
        self._is_over = False

    def _say(self, text: str) -> None:
        self._print(text)
        with contextlib.suppress(OSError), (self._home.root / "logs" / "supervisor.log").open("a") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")

    def run(self, for_s: float | None) -> int:
        """Run until a signal, or for a time; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._end_soon())
        link = self._set_up()
        self._replace_gateway()
        self._sockets = bound(self._settings.host, self._settings.port)
        adopted = self._engines.adopt()
        if adopted:
            self._say(f"adopted: {', '.join(adopted)}")
        self._begin_gateway()
        if not self._await_gateway():
            return 2
        self._say(f"tightloop is at {self.address()}")
        if link is not None:
            self._print(f"no administrator yet: open {link} within 15 minutes")
        if self._settings.pages is None:
            self._say("the pages are not built here; the API runs without them")
        ends = float("inf") if for_s is None else time.monotonic() + for_s
        while not self._is_over and time.monotonic() < ends:
            self._engines.advance()
            self._look_at_gateway()
            time.sleep(LOOK_S)
        return self._end()

    def _await_gateway(self) -> bool:
        """Wait until the gateway that was begun serves; return whether it does, or is not waited for any more."""
        slow_s = time.monotonic() + BEGIN_S
        while not self._is_over and not self._is_served():
            if self._gateway is None or self._gateway.poll() is not None:
                self._say(f"the gateway does not start; {self._log()} says why")
                self._close()
                return False
            if time.monotonic() > slow_s:
                self._say(f"the gateway does not serve after {BEGIN_S:g} s and is waited for; {self._log()} says why")
                slow_s = float("inf")
            time.sleep(LOOK_S)
        return True

    def _close(self) -> None:
        for one in self._sockets:
            one.close()

    def _end_soon(self) -> None:
        self._is_over = True

    def address(self) -> str:
        """Return where a browser finds it."""
        scheme = "https" if self._settings.is_secure else "http"
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"{scheme}://{host}:{self._settings.port}"

    def _set_up(self) -> str | None:
        """Make the first administrator from a file, or return the link that does. Raises InputError."""
        store = GatewayStore(self._home.root)
        try:
            users = Users(store)
            if users.are_set_up():
                return None
            name = os.environ.get(PASSWORD_FILE)
            if name is None:
                return f"{self.address()}/setup#{users.offer_setup()}"
            password = Path(name).read_text(encoding="utf-8").rstrip("\n")
            check_strength(password, ADMIN)
            limits = GatewayLimits()
            hashed = Passwords(limits.password_memory_kib, limits.password_rounds).hashed(password)
            users.add(ADMIN, UserRole.ADMIN, hashed)
            self._say(f"the administrator is {ADMIN!r}, with the password of {PASSWORD_FILE}")
            return None
        finally:
            store.close()

    # The gateway

    def _log(self) -> Path:
        return gateway.log_of(self._home.root)

    def _replace_gateway(self) -> None:
        """End a gateway whose supervisor was killed."""
        row = self._home.holder(gateway.LEASE)
        if row is None or not row["pid"]:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(row["pid"]), number)
            ends = time.monotonic() + GATEWAY_END_S
            while time.monotonic() < ends:
                if self._home.holder(gateway.LEASE) is None:
                    return
                time.sleep(LOOK_S)

    def _begin_gateway(self) -> None:
        numbers = [one.fileno() for one in self._sockets]
        with self._log().open("ab") as log:
            self._gateway = subprocess.Popen(
                [sys.executable, "-m", gateway.__name__], stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True, env=without_keys(os.environ), pass_fds=numbers,
            )  # fmt: skip
        assert self._gateway.stdin is not None, "it was begun with one"
        with contextlib.suppress(BrokenPipeError):
            self._gateway.stdin.write(f"{self._settings.packed()}\n{json.dumps(numbers)}\n".encode())
            self._gateway.stdin.close()
        self._begun_s = time.monotonic()

    def _is_served(self) -> bool:
        """Return whether the gateway that was begun here answers; that something listens at the port says nothing."""
        if self._gateway is None or self._gateway.poll() is not None:
            return False
        row = self._home.lease_row(gateway.LEASE)
        return (row["pid"], row["session"]) == (self._gateway.pid, gateway.SERVING)

    def _look_at_gateway(self) -> None:
        """Start the gateway again when it has ended, sooner if it ran well."""
        if self._gateway is None or self._gateway.poll() is None:
            return
        now_s = time.monotonic()
        if now_s - self._begun_s > STEADY_S:
            self._wait_s = AGAIN_S
        if now_s - self._begun_s < self._wait_s:
            return
        self._say(f"the gateway ended with {self._gateway.returncode} and is started again; sessions go on")
        self._wait_s = min(2.0 * self._wait_s, AGAIN_MAX_S)
        self._begin_gateway()

    def _end(self) -> int:
        if self._gateway is not None and self._gateway.poll() is None:
            self._gateway.terminate()
            try:
                self._gateway.wait(GATEWAY_END_S)
            except subprocess.TimeoutExpired:
                self._gateway.kill()
                self._gateway.wait()
        self._close()
        return self._engines.end()
