"""The state hashes that ``test_same_bytes.py`` holds every Python and every machine to.

    python tests/parity/make_golden.py

writes ``golden.json`` anew. Do so only when results were meant to change, and say in the commit what changed them.
Keys: examples and inline strategies on bars; ``ticks``, the tape of a walk-through; ``ticks/NAME``, ``carry/NAME`` and
``reference/NAME``, every file of these folders of strategies. Without the catalog beside the repository the hashes of
``ON_REAL_DATA`` are kept.
"""

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
GOLDEN = HERE / "golden.json"
SAMPLE = ("sample:BTCUSDT-perp", "sample:PUMPAUSDT-perp", "sample:PUMPDUSDT-perp")
REAL = REPOSITORY.parent / "shared" / "data"
ON_REAL_DATA = ("reference/run_1126", "reference/run_1126_clean")
"""Files that name a pool which the carry sample does not have, and days that it does not cover."""
WINDOW = {"start": "2024-05-12", "end": "2024-06-30"}
PUMPED = {"instruments": ["lab:PUMPBUSDT-perp", "lab:PUMPDUSDT-perp"]}
OF_TICKS = {
    # A quoter of coins of a cent instead of bitcoin, which quotes from the first second on.
    "ticks/python_quoting": PUMPED
    | {"settings": ["params.qty=500", "params.held_max=2000"], "end": "2024-01-01T12:10:00"},
}
INLINE = ("long_and_short", "participation_limit", "slippage_random", "leveraged_short", "o1_and_z1", "hold_and_seq")


def write_market(root):
    from tightloop.adapters.data.sample import write_sample

    write_sample(root, seed=11, days=1)


def hash_of(name, root, *, one_by_one=False):
    """The state hash of an example or of an inline strategy on the sample market."""
    from tests.parity import runs

    from tightloop.app.runs import backtest as runs_backtest
    from tightloop.app.runs import strategies as runs_strategies

    path = REPOSITORY / "strategies" / f"{name}.yaml"
    texts = [path] if path.exists() else list(runs.TOGETHER.get(name) or (runs.KINDS[name],))
    found = []
    for text in texts:
        own = runs_strategies.load_strategies([text])[0]
        wanted = SAMPLE[: max(1, len(own.instruments))]
        found += runs_strategies.load_strategies([text], settings=["timeframe=1m"], instruments=wanted)
    return runs_backtest.backtest(*found, data=root, seed=3, one_by_one=one_by_one).summary["state_hash"]


def hash_on_ticks(root, *, one_by_one=False):
    """The state hash of the peak-fade short on the tape of its walk-through."""
    from tests.sim import walkthrough

    from tightloop.app.runs import backtest as runs_backtest

    path = REPOSITORY / "strategies" / "ticks" / "peak_fade_short.yaml"
    catalog = walkthrough.write_catalog(root, delay_ns=5_000_000)
    instruments = [walkthrough.PUMPED, *walkthrough.CALM]
    run = runs_backtest.backtest(path, data=catalog, instruments=instruments, seed=3, one_by_one=one_by_one)
    return run.summary["state_hash"]


def write_ticks(root):
    from tightloop.adapters.data.tick_sample import write_tick_sample

    write_tick_sample(root, ["pump"], seed=1, books=True)


def write_carry(root):
    from tightloop.adapters.data.carry_sample import write_carry_sample

    write_carry_sample(root)


def hash_of_file(name, root, *, one_by_one=False):
    """The state hash of ``FOLDER/NAME`` of the strategies, on the sample of its kind or on the real catalog."""
    from tightloop import backtest

    options = WINDOW if name in ON_REAL_DATA else OF_TICKS.get(name, PUMPED if name.startswith("ticks/") else {})
    path = REPOSITORY / "strategies" / f"{name}.yaml"
    return backtest(path, data=root, seed=3, one_by_one=one_by_one, **options).summary["state_hash"]


def names():
    return sorted(path.stem for path in (REPOSITORY / "strategies").glob("*.yaml")) + list(INLINE)


def names_in(*folders):
    """The files of these folders of strategies, as ``FOLDER/NAME``."""
    return [
        f"{folder}/{path.stem}"
        for folder in folders
        for path in sorted((REPOSITORY / "strategies" / folder).glob("*.yaml"))
    ]


def main():
    sys.path.insert(0, str(REPOSITORY))
    with tempfile.TemporaryDirectory() as folder:
        bars, ticks, carry = (Path(folder) / kind for kind in ("bars", "ticks", "carry"))
        write_market(bars)
        write_ticks(ticks)
        write_carry(carry)
        hashes = {name: hash_of(name, bars) for name in names()}
        hashes["ticks"] = hash_on_ticks(Path(folder) / "walkthrough")
        hashes |= {name: hash_of_file(name, ticks) for name in names_in("ticks")}
        kept = json.loads(GOLDEN.read_text())
        for name in names_in("carry", "reference"):
            if name in ON_REAL_DATA and not REAL.is_dir():
                print(f"{name}: there is no {REAL}, the hash is kept")
                hashes[name] = kept[name]
            else:
                hashes[name] = hash_of_file(name, REAL if name in ON_REAL_DATA else carry)
    GOLDEN.write_text(json.dumps(hashes, indent=2) + "\n")
    print(f"{GOLDEN.name}: {len(hashes)} hashes")


if __name__ == "__main__":
    main()
