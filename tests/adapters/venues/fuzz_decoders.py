"""Throw bytes at the decoders of a dialect for long: ``python -m tests.adapters.venues.fuzz_decoders [--count N]``.

With atheris, coverage of the adapters leads the way to new inputs. Where it cannot be imported (it has no wheels for
some systems), recorded bytes are bent at random places by a seed; the first line says which of the two it was. Any
exception and anything but records or a typed failure ends the run with the bytes that did it, and a code that is not 0.
"""

import argparse
import gc
import importlib
import importlib.util
import random
import sys
import tempfile
import time
from types import FunctionType, ModuleType

from tests.adapters.venues import spoken
from tests.adapters.venues.test_binance_usdm import FIXTURES, REQUESTS, VENUE, check

from tightloop.ports.transport import HttpAnswer

ASKED = [*REQUESTS, *(request for request, _ in spoken.answers())]
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
    b"9" * 400,
    b"[" * 2_000,
)
BYTES_MAX = 4_096
INPUT_MAX_S = 10
FOLLOWED = "tightloop.adapters.venues"
"""Whose branches atheris follows: all of Python would take minutes to prepare and be slower for it."""


def tried(raw: bytes) -> None:
    """Decode bytes as a frame and as an answer; the last two bytes choose status, the wait it names, and request."""
    check(VENUE.decode_frame(raw))
    chosen, other = raw[-1:] or b"0", raw[-2:-1] or b"0"
    headers = {"retry-after": (chosen + other).decode("latin-1")} if other[0] % 3 else {}
    answer = HttpAnswer(STATUSES[other[0] % len(STATUSES)], headers, raw[:-2])
    check(VENUE.decode(ASKED[chosen[0] % len(ASKED)], answer))


def bent(draw: random.Random, corpus: list[bytes]) -> bytes:
    """Return recorded bytes, changed at some places, cut, or joined with others."""
    raw = bytearray(draw.choice(corpus))
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(raw) + 1)
        end = min(len(raw), at + draw.randint(0, draw.choice((3, 12, 120))))
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


def corpus_of() -> list[bytes]:
    """Return recorded frames, and whole answers of the twin, each to be read by the request it belongs to."""
    frames = [path.read_bytes() for path in sorted(FIXTURES.glob("*.json"))]
    answers = [answer.body + bytes([0, len(REQUESTS) + at]) for at, (_, answer) in enumerate(spoken.answers())]
    return [*frames, *answers]


def by_seed(count: int, seed: int) -> int:
    """Try inputs that a seed makes; return the exit code."""
    draw = random.Random(seed)
    corpus = corpus_of()
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


def followed() -> list[FunctionType]:
    """Return the functions of the dialect and of what it shares, methods among them."""
    return [
        one for one in gc.get_objects() if isinstance(one, FunctionType) and (one.__module__ or "").startswith(FOLLOWED)
    ]


def by_atheris(atheris: ModuleType, count: int, seed: int) -> None:
    """Let atheris look; it ends the process, with a code of its own when it found something."""
    found, corpus = followed(), corpus_of()
    print(f"decoders: atheris over {len(found)} functions, seed {seed}, {count:,} inputs", flush=True)
    for function in found:
        atheris.instrument_func(function)

    def changed(raw: bytes, size_max: int, number: int) -> bytes:
        """Bend half of the inputs as JSON is bent, recorded bytes among them, and leave the others to atheris."""
        if number % 2:
            return bytes(atheris.Mutate(raw, size_max))
        return bent(random.Random(number), [raw, corpus[number // 2 % len(corpus)]])[:size_max]

    def shown(raw: bytes) -> None:
        try:
            tried(raw)
        except BaseException:
            print(repr(raw), flush=True)
            raise

    limits = (f"-runs={count}", f"-seed={seed}", f"-max_len={BYTES_MAX}", f"-timeout={INPUT_MAX_S}")
    kept = f"-artifact_prefix={tempfile.gettempdir()}/decoders-"
    atheris.Setup([sys.argv[0], *limits, kept, "-verbosity=0"], shown, custom_mutator=changed)
    atheris.Fuzz()


def main() -> int:
    """Run until a bad input is found or all were tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        return by_seed(options.count, options.seed)
    by_atheris(importlib.import_module("atheris"), options.count, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
