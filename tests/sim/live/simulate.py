"""``python3 dev.py sim``: seeds of simulated live sessions, one after another.

    sim [--seeds N] [--from S] [--again] [--planted]
"""

import argparse
import os
import sys
import time

os.environ.setdefault("TIGHTLOOP_TIER", "fast")
os.environ["TIGHTLOOP_BINANCE_USDM_KEY"] = "twin"
os.environ["TIGHTLOOP_BINANCE_USDM_SECRET"] = "twin-secret"

from sim.live.player import play
from sim.live.scenario import scenario_of


def main(arguments):
    parser = argparse.ArgumentParser(prog="dev.py sim")
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args(arguments)
    begun, red = time.process_time(), []
    for seed in range(options.first, options.first + options.seeds):
        at = time.process_time()
        played = play(scenario_of(seed))
        if options.v:
            print(seed, played.trace, played.life_count, played.fill_count, f"{time.process_time() - at:.2f} s", flush=True)
        if options.seeds == 1:
            print(*played.last, sep="\n")
        if played.red:
            red.append(seed)
            print(f"seed {seed}: {played.red}", flush=True)
    print(f"{options.seeds} seeds, red: {red}, {(time.process_time() - begun) / options.seeds:.2f} s of CPU a seed")
    return bool(red)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
