"""Throw bytes at the decoders of a dialect for long: ``python -m tests.adapters.venues.fuzz_decoders [--count N]``.

With atheris, coverage leads the way to new inputs. Where it cannot be imported (it has no wheels for some Pythons and
systems), recorded bytes are bent at random places by a seed; the first line says which of the two it was. Any exception
and anything but records or a typed failure ends the run with the bytes that did it; exit code 1.
"""

import argparse
import importlib
import importlib.util
import random
import sys
import time

from tests.adapters.venues.test_binance_usdm import FIXTURES, REQUESTS, VENUE, check

from tightloop.ports.transport import HttpAnswer

STATUSES = (200, 200, 200, 200, 400, 418, 429, 500, 503)
WORDS = (
    b"null",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b'"1e-8"',
    b'"NEW"',
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"[[[",
    b'"\\ud800"',
)
BYTES_MAX = 4_096


def tried(raw: bytes) -> None:
    """Decode bytes as a frame and as an answer; the last byte chooses the request and the status."""
    check(VENUE.decode_frame(raw))
    chosen = raw[-1] if raw else 0
    body = raw[:-1]
    check(VENUE.decode(REQUESTS[chosen % len(REQUESTS)], HttpAnswer(STATUSES[chosen % len(STATUSES)], {}, body)))


def bent(draw: random.Random, corpus: list[bytes]) -> bytes:
    """Return recorded bytes, changed at some places, cut, or joined with others."""
    raw = bytearray(draw.choice(corpus))
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(raw) + 1)
        end = min(len(raw), at + draw.randint(0, 12))
        how = draw.randrange(5)
        if how == 0:
            raw[at:end] = draw.choice(WORDS)
        elif how == 1:
            raw[at:end] = draw.randbytes(end - at)
        elif how == 2:
            del raw[at:end]
        elif how == 3:
            other = draw.choice(corpus)
            first = draw.randrange(len(other))
            raw[at:end] = other[first : first + draw.randint(1, 40)]
        else:
            del raw[at:]
    return bytes(raw[:BYTES_MAX])


def corpus_of(draw: random.Random) -> list[bytes]:
    """Return the recorded bytes, once for each request that may read them."""
    recorded = [path.read_bytes() for path in sorted(FIXTURES.glob("*.json"))]
    return [raw + bytes([draw.randrange(256)]) for raw in recorded for _ in range(16)]


def by_seed(count: int, seed: int) -> int:
    """Try inputs that a seed makes; return the exit code."""
    draw = random.Random(seed)
    corpus = corpus_of(draw)
    begun_s = time.monotonic()
    print(f"decoders: recorded bytes bent at random (no atheris here), seed {seed}, {count:,} inputs", flush=True)
    for _ in range(count):
        raw = bent(draw, corpus)
        try:
            tried(raw)
        except Exception as error:  # whatever it is, the bytes have to be shown
            print(f"{type(error).__name__}: {error}\n{raw!r}")
            return 1
    print(f"decoders: {count:,} inputs in {time.monotonic() - begun_s:.0f} s, nothing found")
    return 0


def by_atheris(count: int, seed: int) -> None:
    """Let atheris look; it ends the process, with a code of its own when it found something."""
    atheris = importlib.import_module("atheris")
    print(f"decoders: atheris, seed {seed}, {count:,} inputs", flush=True)
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-runs={count}", f"-seed={seed}", f"-max_len={BYTES_MAX}", str(FIXTURES)], tried)
    atheris.Fuzz()


def main() -> int:
    """Run until a bad input is found or all were tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        return by_seed(options.count, options.seed)
    by_atheris(options.count, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
