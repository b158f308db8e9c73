"""The gateway's process: ``python -m tightloop.app.api.gateway``, with its settings on standard input.

It holds no key of a venue and no rule of trading; it may be killed and started again at any time, and nothing is lost.
"""

import logging
import sys

import uvicorn

from tightloop.adapters.stores.home import Home, Lease
from tightloop.app.api.security.redaction import RedactedFormatter, Redaction
from tightloop.app.api.server import make_app
from tightloop.app.api.settings import GatewaySettings, unpacked
from tightloop.model.errors import TightloopError

LOG = logging.getLogger(__name__)
LEASE = "gateway"
HELD = 3
PING_S, PONG_S, END_S = 15.0, 45.0, 2
BACKLOG = 512


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


def main() -> int:
    """Serve until a signal; return the exit code."""
    settings = unpacked(sys.stdin.readline())
    shown = logging.StreamHandler()
    shown.setFormatter(RedactedFormatter(Redaction()))
    logging.basicConfig(level=logging.INFO, handlers=[shown])
    home = Home(settings.home)
    lease = home.take(LEASE)
    if not isinstance(lease, Lease):
        LOG.error("another gateway serves this home, as process %s", lease["pid"])
        return HELD
    lease.write("", 0)
    try:
        uvicorn.Server(configured(settings)).run()
    except (TightloopError, OSError) as error:
        LOG.error("%s", error)
        return 2
    finally:
        lease.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
