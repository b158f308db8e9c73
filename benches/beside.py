"""W1 by other backtesters, each in an environment of its own: `python beside.py NAME BARS.parquet RUNS` prints JSON.

W3's ticks likewise: `python beside.py hftbacktest DATA EVENTS RUNS`.

Started by run.py with tests/ on the path. CPU seconds of run and results, and of the run alone where it is apart.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from peers.environment import REQUIREMENTS, peer_python, run_jobs
from peers.pairs import ema_cross

HERE = Path(__file__).resolve().parent


def by_backtesting(bars: str, runs: int) -> list[dict[str, Any]]:
    found = run_jobs([ema_cross(10, 50).job(bars)] * runs)
    return [{"trades": len(one["trades"]), "all": one["cpu_s"]} for one in found]


def by_vectorbt(bars: str, runs: int) -> list[dict[str, Any]]:
    python = peer_python(HERE / "requirements-vectorbt.txt")
    command = [str(python), str(HERE / "vectorbt_w1.py"), bars, str(runs)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return [{"trades": one["trades"], "all": one["run"] + one["results"], "run": one["run"]} for one in found]


def by_hftbacktest(data: str, events: str, runs: str) -> list[dict[str, Any]]:
    python = peer_python(REQUIREMENTS.parent / "requirements_hft.txt")
    command = [str(python), str(HERE / "hft_ticks.py"), data, events, runs]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=own)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    if sys.argv[1] == "hftbacktest":
        print(json.dumps(by_hftbacktest(*sys.argv[2:])))
    else:
        measured = {"backtesting.py": by_backtesting, "vectorbt": by_vectorbt}[sys.argv[1]]
        print(json.dumps(measured(sys.argv[2], int(sys.argv[3]))))
