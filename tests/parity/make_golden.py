"""The state hashes that ``test_same_bytes.py`` holds every Python and every machine to.

    python tests/parity/make_golden.py

writes ``golden.json`` anew. Do so only when results were meant to change, and say in the commit what changed them.
"""

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
GOLDEN = HERE / "golden.json"
SAMPLE = ("sample:BTCUSDT-perp", "sample:PUMPAUSDT-perp", "sample:PUMPDUSDT-perp")
INLINE = ("long_and_short", "participation_limit", "slippage_random", "leveraged_short", "o1_and_z1", "hold_and_seq")


def write_market(root):
    from tightloop.adapters.data.sample import write_sample

    write_sample(root, seed=11, days=1)


def hash_of(name, root):
    """The state hash of an example or of an inline strategy on the sample market."""
    from tests.parity import runs

    from tightloop.app import bootstrap

    path = REPOSITORY / "strategies" / f"{name}.yaml"
    texts = [path] if path.exists() else list(runs.TOGETHER.get(name) or (runs.KINDS[name],))
    found = []
    for text in texts:
        own = bootstrap.load_strategies([text])[0]
        wanted = SAMPLE[: max(1, len(own.instruments))]
        found += bootstrap.load_strategies([text], settings=["timeframe=1m"], instruments=wanted)
    return bootstrap.backtest(*found, data=root, seed=3).summary["state_hash"]


def hash_on_ticks(root):
    """The state hash of the peak-fade short on the tape of its walk-through."""
    from tests.sim import walkthrough

    from tightloop.app import bootstrap

    path = REPOSITORY / "strategies" / "ticks" / "peak_fade_short.yaml"
    catalog = walkthrough.write_catalog(root, delay_ns=5_000_000)
    instruments = [walkthrough.PUMPED, *walkthrough.CALM]
    return bootstrap.backtest(path, data=catalog, instruments=instruments, seed=3).summary["state_hash"]


def names():
    return sorted(path.stem for path in (REPOSITORY / "strategies").glob("*.yaml")) + list(INLINE)


def main():
    sys.path.insert(0, str(REPOSITORY))
    with tempfile.TemporaryDirectory() as folder:
        write_market(Path(folder) / "sample")
        hashes = {name: hash_of(name, Path(folder) / "sample") for name in names()}
        hashes["ticks"] = hash_on_ticks(Path(folder) / "ticks")
    GOLDEN.write_text(json.dumps(hashes, indent=2) + "\n")
    print(f"{GOLDEN.name}: {len(hashes)} hashes")


if __name__ == "__main__":
    main()
