"""The gateway's process: ``python -m tightloop.app.api.gateway``. On standard input it has a line of settings, and one
with the numbers of the sockets that it is given.

It holds no key of a venue and no rule of trading; it may be killed and started again at any time, and nothing is lost.
"""

import json
import logging
import os
import socket
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

import uvicorn

from tightloop.adapters.stores.home import Home, Lease
from tightloop.app.api.security.redaction import RedactedFormatter, Redaction
from tightloop.app.api.server import make_app
from tightloop.app.api.settings import GatewaySettings, unpacked
from tightloop.model.errors import TightloopError

LOG = logging.getLogger(__name__)
LEASE, SERVING = "gateway", "serving"
"""Its lease, and what that says in place of a session once it answers."""
HELD = 3
PING_S, PONG_S, END_S = 15.0, 45.0, 2
BACKLOG = 512
LOG_BYTES_MAX = 4_000_000
"""Of its log, and of the one before: anybody who may ask may make it write."""


def configured(settings: GatewaySettings) -> uvicorn.Config:
    """Return how the app is served. WebSockets are not compressed: that costs more than it saves on one machine."""
    return uvicorn.Config(
        make_app(settings), host=settings.host, port=settings.port, http="httptools", ws="websockets-sansio",
        ws_per_message_deflate=False, ws_max_size=settings.limits.frame_bytes_max, ws_ping_interval=PING_S,
        ws_ping_timeout=PONG_S, log_config=None, access_log=False, server_header=False,
        proxy_headers=bool(settings.proxies), forwarded_allow_ips=list(settings.proxies), backlog=BACKLOG,
        ssl_certfile=settings.cert, ssl_keyfile=None if settings.cert_key is None else str(settings.cert_key),
        timeout_graceful_shutdown=END_S,
    )  # fmt: skip


def log_of(home: Path) -> Path:
    """Return the log of the gateway of a home."""
    return home / "logs" / "gateway.log"


class GatewayLog(RotatingFileHandler):
    """Writes the log, and what the process says to standard error, which goes where the log goes."""

    def __init__(self, file: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
        super().__init__(file, maxBytes=bytes_max, backupCount=1, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        os.dup2(stream.fileno(), sys.__stderr__.fileno() if sys.__stderr__ is not None else 2)
        return stream


class GatewayServer(uvicorn.Server):
    """Serves, and says in the lease when it does."""

    def __init__(self, config: uvicorn.Config, lease: Lease) -> None:
        super().__init__(config)
        self._lease = lease

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        self._lease.write(SERVING, 0)


def main() -> int:
    """Serve until a signal; return the exit code."""
    settings = unpacked(sys.stdin.readline())
    numbers = json.loads(sys.stdin.readline() or "[]")
    home = Home(settings.home)
    log_of(home.root).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shown = GatewayLog(log_of(home.root))
    shown.setFormatter(RedactedFormatter(Redaction()))
    logging.basicConfig(level=logging.INFO, handlers=[shown])
    lease = home.take(LEASE)
    if not isinstance(lease, Lease):
        LOG.error("another gateway serves this home, as process %s", lease["pid"])
        return HELD
    lease.write("", 0)
    try:
        sockets = [socket.socket(fileno=number) for number in numbers]
        for one in sockets:
            one.set_inheritable(False)
        GatewayServer(configured(settings), lease).run(sockets or None)
    except (TightloopError, OSError) as error:
        LOG.error("%s", error)
        return 2
    finally:
        lease.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
