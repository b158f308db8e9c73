"""What a gateway is started with; its limits are settings, so that tests that load it may raise them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORT = 8_600


PER_MINUTE: Mapping[str, int] = MappingProxyType(
    {"login": 5, "read": 200, "write": 60, "strategy": 10, "validate": 120, "emergency": 120, "socket": 10}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """Requests a minute by bucket, sizes in bytes, counts of the WebSocket, cost of a password."""

    per_minute: Mapping[str, int] = field(default_factory=lambda: PER_MINUTE)
    address_bytes_max: int = 1 << 13
    body_bytes_max: int = 1 << 18
    frame_bytes_max: int = 1 << 16
    messages_per_minute: int = 60
    subscriptions_max: int = 200
    rows_unread_max: int = 1_000
    waiting_bytes_max: int = 8_000_000
    sockets_max: int = 10
    gaps_per_minute_max: int = 3
    password_memory_kib: int = 65_536
    password_rounds: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Of one gateway. ``venues``: where each is, None: at its own address; ``pages``: folder of the built pages."""

    home: Path
    host: str = LOOPBACK[0]
    port: int = PORT
    cert: Path | None = None
    cert_key: Path | None = None
    proxies: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    is_live_enabled: bool = False
    venues: Mapping[str, str | None] = field(default_factory=lambda: {"binance-usdm": None})
    pages: Path | None = None
    limits: GatewayLimits = field(default_factory=GatewayLimits)

    @property
    def is_secure(self) -> bool:
        """Whether browsers speak TLS to it, or to the proxy before it."""
        return self.cert is not None or bool(self.proxies)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """ValuesMessage of the Host header that are answered: a name that resolves to this machine is none of them."""
        names_of_it = (self.host, *LOOPBACK) if self.host in LOOPBACK else (self.host,)
        named = {name if ":" in name else f"[{name}]" if name.count(":") > 1 else name for name in self.hosts}
        with_port = {f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}" for name in names_of_it}
        return frozenset(with_port | named | {f"{name}:{self.port}" for name in self.hosts})

    def packed(self) -> str:
        """Return the settings as text for the gateway's process; limits are the usual ones there."""
        paths = {"home": self.home, "cert": self.cert, "cert_key": self.cert_key, "pages": self.pages}
        said: dict[str, Any] = {name: None if path is None else str(path) for name, path in paths.items()}
        return json.dumps(said | {
            "host": self.host, "port": self.port, "proxies": self.proxies, "hosts": self.hosts,
            "is_live_enabled": self.is_live_enabled, "venues": dict(self.venues),
        })  # fmt: skip


def unpacked(text: str) -> GatewaySettings:
    """Return the settings in a text of ``packed``."""
    said = json.loads(text)
    for name in ("home", "cert", "cert_key", "pages"):
        said[name] = None if said[name] is None else Path(said[name])
    for name in ("proxies", "hosts"):
        said[name] = tuple(said[name])
    return GatewaySettings(**said)
