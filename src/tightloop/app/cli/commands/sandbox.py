"""``tightloop sandbox``: a twin of an exchange on this machine, for first sessions and tests."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tightloop.app import sandbox as twins
from tightloop.app.cli.console import errors_shown
from tightloop.app.cli.options import FILE, FOLDER

VENUES = ("binance-usdm",)
SAMPLES = ("pump", "dump", "thin", "gap", "halt", "flat")


@click.command()
@click.option("--venue", type=click.Choice(VENUES), required=True, help="Whose wire it speaks.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8_087, show_default=True, help="0 takes a free one.")
@click.option("--sample", type=click.Choice(SAMPLES), help="Scenario of the synthetic market it plays [pump].")
@click.option("--data", type=FOLDER, help="Catalog whose trades, quotes or bars it plays instead.")
@click.option("--from", "start", metavar="T", help="With --data: when the playing begins (UTC).")
@click.option("--began", metavar="T", help="Goes on with the market of a twin that began then (UTC), after a restart.")
@click.option(
    "--speed",
    type=click.Choice(("1", "10", "max")),
    default="1",
    show_default=True,
    help="Its time against ours; max: the client moves it by POST /_twin/until.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="Of market and faults.")
@click.option("--faults", type=FILE, help="YAML list of faults to play, each with at_s.")
@click.option("--key", default="twin", show_default=True, help="API key.")
@click.option("--secret", default="twin-secret", show_default=True, help="API secret.")
@click.option("--wallet", type=click.FloatRange(0), default=10_000.0, show_default=True, help="USDT in the account.")
@click.option("--for", "length", metavar="T", help="Ends after this time, for example 60s or 10m.")
def sandbox(
    venue: str,
    port: int,
    sample: str | None,
    data: Path | None,
    start: str | None,
    began: str | None,
    speed: str,
    seed: int,
    faults: Path | None,
    key: str,
    secret: str,
    wallet: float,
    length: str | None,
) -> None:
    """Play an exchange on this machine: a market, an account with play money, orders, and faults on demand.

    It speaks the wire of the venue on loopback, so a session runs against it as against the real one; nothing leaves
    this machine. Its truth is at /_twin/truth. Ctrl-C ends it.
    """
    with errors_shown():
        wanted = twins.start.Wanted(
            venue=venue,
            port=port,
            sample=sample,
            catalog=data,
            begin=start,
            began=began,
            speed=None if speed == "max" else float(speed),
            seed=seed,
            faults=faults,
            key=key,
            secret=secret,
            wallet=wallet,
            length=length,
        )
        twins.start.run(wanted, time.time_ns(), click.echo)
