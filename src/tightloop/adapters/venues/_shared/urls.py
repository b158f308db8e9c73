"""Where calls may go; apart from what carries them, because who reads a session's files needs no network."""

import ipaddress
from urllib.parse import urlsplit

from tightloop.model.errors import InputError


def check_url(url: str, option: str = "--url") -> None:
    """Raise InputError for a URL that is not encrypted and leaves this machine, or is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise InputError.one("command line", None, option, "is no URL", "write for example http://127.0.0.1:8080")
    if parts.scheme in ("http", "ws") and not _is_loopback(parts.hostname):
        message = f"{parts.scheme} to {parts.hostname} would show keys to the network"
        raise InputError.one("command line", None, option, message, "use https, or a server on 127.0.0.1")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
