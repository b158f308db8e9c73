"""``tightloop up``: sessions, the API and the pages of this machine, until it is stopped."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from tightloop.app import api
from tightloop.app.cli.commands.paper import HOME, seconds
from tightloop.app.cli.console import errors_shown
from tightloop.app.cli.options import FILE, FOLDER
from tightloop.model.errors import InputError

VENUE = "binance-usdm"
PACKAGES = ("argon2", "fastapi", "httptools", "orjson", "uvicorn", "websockets")


@click.command()
@HOME
@click.option("--host", default="127.0.0.1", show_default=True, help="Address; another needs --cert or --behind-proxy.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8_600, show_default=True, help="0 takes a free one.")
@click.option(
    "--strategies", "folders", multiple=True, type=FOLDER, help="Folder whose strategies are kept; repeatable."
)
@click.option(
    "--venue", "venues", multiple=True, metavar="NAME[=URL]",
    help=f"Where sessions may be started, e.g. {VENUE}=http://127.0.0.1:8087; repeatable. [{VENUE}]",
)  # fmt: skip
@click.option("--enable-live", is_flag=True, help="Allow sessions whose orders go to the venue; no page can.")
@click.option("--cert", type=FILE, help="Certificate for TLS, with --cert-key.")
@click.option("--cert-key", type=FILE, help="Key of the certificate.")
@click.option(
    "--behind-proxy", "proxies", multiple=True, metavar="ADDRESS", help="Of a proxy that speaks TLS; repeatable."
)
@click.option("--host-name", "names", multiple=True, metavar="NAME", help="Another name it is reached by; repeatable.")
@click.option("--for", "span", metavar="TIME", help="Stop after this time, e.g. 60s, 10m, 1h.")
def up(
    home: Path,
    host: str,
    port: int,
    folders: tuple[Path, ...],
    venues: tuple[str, ...],
    enable_live: bool,
    cert: Path | None,
    cert_key: Path | None,
    proxies: tuple[str, ...],
    names: tuple[str, ...],
    span: str | None,
) -> None:
    """Serve the API and the pages, start sessions that are asked for there, and adopt those that still run.

    Ctrl-C stops the gateway, then the sessions it has started, positions kept. Exit codes: 0 stopped, 2 bad input,
    3 it runs already for this home, 5 stopped with a position.
    """
    with errors_shown():
        if (cert is None) != (cert_key is None):
            raise InputError.one(
                "command line", None, "--cert", "needs --cert-key, and the other way round", "name both"
            )
        settings = api.settings.GatewaySettings(
            home=home.expanduser(),
            host=host,
            port=port,
            cert=cert,
            cert_key=cert_key,
            proxies=proxies,
            hosts=names,
            is_live_enabled=enable_live,
            venues=dict(_venue(one) for one in venues or (VENUE,)),
        )
        _check_packages()
        options = api.supervisor.UpOptions(settings=settings, strategies=folders, for_s=seconds(span))
        code = api.supervisor.up(options, lambda text: click.echo(text, err=True))
    if code:
        sys.exit(code)


def _check_packages() -> None:
    """Raise InputError if what serves is not installed: no other command needs it."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        message = f"needs {', '.join(missing)}, which not every installation has"
        raise InputError.one("tightloop up", None, "", message, "install them: pip install 'tightloop[web]'")


def _venue(text: str) -> tuple[str, str | None]:
    """Return name and place of a venue."""
    name, _, url = text.partition("=")
    return name, url or None
