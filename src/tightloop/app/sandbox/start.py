"""Starts a twin as the command asks for it, and says how to use it."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tightloop.app.sandbox.binance_usdm.http import BinanceTwin
from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.faults import Faults
from tightloop.app.sandbox.markets.catalog import CatalogMarket
from tightloop.app.sandbox.markets.sample import SampleMarket
from tightloop.app.sandbox.markets.source import MarketSource
from tightloop.app.sandbox.server import HOST, Sandbox
from tightloop.model.errors import InputError, Interrupted
from tightloop.model.times import DAY_NS, SECOND_NS, iso, iso_ns

DRIVEN_START_NS = 1_767_225_600_000_000_000
"""2026-01-01: where a twin without a clock begins, so that equal requests get equal answers."""
SAMPLE_DEFAULT = "pump"
SECRET_DEFAULT = "twin-secret"
BEGAN_MAX_NS = 2 * DAY_NS
"""How long ago a market may have begun that goes on: all of it is played again, at once."""
_UNITS = {"s": 1, "m": 60, "h": 3_600}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of the command. ``speed`` None: driven by the client. ``length``: for example 60s.

    ``began``: when the twin of an earlier process began, whose market this one goes on with.
    """

    venue: str
    port: int
    sample: str | None
    catalog: Path | None
    begin: str | None
    speed: float | None
    seed: int
    faults: Path | None
    key: str
    secret: str
    wallet: float
    length: str | None
    began: str | None = None


def run(wanted: Wanted, now_ns: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C, SIGTERM or the end of ``length``. Raises InputError, and Interrupted after Ctrl-C."""
    length_s = _seconds(wanted.length)
    venue = build(wanted, now_ns)
    if wanted.faults is not None:
        arm_all(venue, wanted.faults)
    if asyncio.run(_serve(venue, wanted, length_s, say)):
        raise Interrupted("interrupted; the twin and its account are gone")


def build(wanted: Wanted, now_ns: int) -> BinanceTwin:
    """Make the venue with its market and account. Raises InputError."""
    start_ns = _start_ns(wanted, now_ns)
    exchange = Exchange(_market(wanted, start_ns), wanted.seed, wanted.wallet)
    speed = 1.0 if wanted.speed is None else max(1.0, wanted.speed)
    return BinanceTwin(exchange, Faults(wanted.seed), wanted.key, wanted.secret, "twin", speed)


def _start_ns(wanted: Wanted, now_ns: int) -> int:
    """Return when clients come first, in the venue's time. Raises InputError."""
    if wanted.began is not None:
        began_ns = iso_ns(wanted.began)
        if began_ns is None or not 0 <= now_ns - began_ns <= BEGAN_MAX_NS or began_ns % SECOND_NS:
            message = f"{wanted.began!r} is no whole second of the last {BEGAN_MAX_NS // DAY_NS} days"
            raise InputError.one("--began", None, "", message, "write the time that the first twin said it began at")
        if wanted.speed is None:
            message, remedy = "and --speed max exclude each other", "leave it out: a driven twin always begins alike"
            raise InputError.one("--began", None, "", message, remedy)
        return began_ns
    return DRIVEN_START_NS if wanted.speed is None else now_ns - now_ns % SECOND_NS


def _market(wanted: Wanted, start_ns: int) -> MarketSource:
    """Open the market that is asked for. Raises InputError."""
    if wanted.catalog is None:
        if wanted.begin is not None:
            raise InputError.one("command line", None, "--from", "belongs to --data", "leave it out, or name a catalog")
        return SampleMarket(wanted.sample or SAMPLE_DEFAULT, wanted.seed, start_ns)
    if wanted.sample is not None:
        message, remedy = "and --data are different markets", "leave one of the two out"
        raise InputError.one("command line", None, "--sample", message, remedy)
    return CatalogMarket(wanted.catalog, start_ns, wanted.begin)


def arm_all(venue: BinanceTwin, file: Path) -> None:
    """Arm the faults of a file. Raises InputError."""
    try:
        listed: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError.one(file, None, "", f"cannot be read ({error.strerror})", "name a YAML file") from None
    except yaml.YAMLError as error:
        raise InputError.one(file, None, "", f"is not YAML ({error})", "write a list of faults") from None
    if not isinstance(listed, list) or not all(isinstance(fault, dict) for fault in listed):
        remedy = "write lines like `- {kind: ack_lost, at_s: 10, count: 1}`"
        raise InputError.one(file, None, "", "is not a list of faults", remedy)
    exchange = venue.exchange
    for number, fault in enumerate(listed, 1):
        try:
            venue.faults.arm(fault, exchange.market.start_ns, exchange.now_ns)
        except InputError as error:
            first = error.problems[0]
            place = f"[{number}].{first.field}"
            raise InputError.one(file, None, place, first.message, first.remedy) from None


def _seconds(text: str | None) -> float | None:
    """Read a length like 60s. Raises InputError."""
    if text is None:
        return None
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.replace(".", "", 1).isdigit():
        raise InputError.one("--for", None, "", f"{text!r} is not a length of time", "write 60s, 10m or 2h")
    return float(number) * _UNITS[unit]


async def _serve(venue: BinanceTwin, wanted: Wanted, length_s: float | None, say: Callable[[str], None]) -> bool:
    """Serve until told to stop; whether by Ctrl-C."""
    sandbox = Sandbox(venue, wanted.speed, is_resumed=wanted.began is not None)
    port = await sandbox.start(wanted.port)
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    _listen_to_signals(ended)
    say_how(venue, wanted, port, say)
    try:
        return await asyncio.wait_for(asyncio.shield(ended), length_s)
    except TimeoutError:
        return False
    finally:
        await sandbox.stop()


def _listen_to_signals(ended: "asyncio.Future[bool]") -> None:
    """End at Ctrl-C and SIGTERM; where a loop has no signals, KeyboardInterrupt ends the program."""

    def end(by_keyboard: bool) -> None:
        if not ended.done():
            ended.set_result(by_keyboard)

    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGINT, end, True)
        loop.add_signal_handler(signal.SIGTERM, end, False)
    except RuntimeError:
        return  # Windows has no signals in its loop (its error is of this kind)


def say_how(venue: BinanceTwin, wanted: Wanted, port: int, say: Callable[[str], None]) -> None:
    """Say where it is, what it lists, and one command to try."""
    url = f"http://{HOST}:{port}"
    pace = "driven by POST /_twin/until" if wanted.speed is None else f"{wanted.speed:g}x"
    say(f"{wanted.venue} twin at {url}, seed {wanted.seed}, speed {pace}")
    secret = wanted.secret if wanted.secret == SECRET_DEFAULT else "as given"
    say(f"  key {wanted.key}, secret {secret}, wallet {venue.exchange.ledger.wallet:,.2f} USDT of play money")
    say(f"  symbols {', '.join(venue.exchange.boards)}")
    if wanted.catalog is not None:
        say(f"  plays {wanted.catalog}")
    if venue.exchange.market.is_synthetic:
        say("  synthetic: no price in it was ever paid")
    if wanted.speed is not None:
        began = iso(venue.exchange.market.start_ns)
        say(f"  began at {began}: with --began and that time its market goes on after a restart")
    say(f"  truth: {url}/_twin/truth")
    say(f"try: curl '{url}/fapi/v1/depth?symbol={next(iter(venue.exchange.boards))}&limit=5'")
