"""W1 by other backtesters, each in an environment of its own: `python beside.py NAME BARS.parquet RUNS` prints JSON.

Started by run.py with tests/ on the path. CPU seconds of run and results, and of the run alone where it is apart.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from peers.environment import peer_python, run_jobs
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


if __name__ == "__main__":
    measured = {"backtesting.py": by_backtesting, "vectorbt": by_vectorbt}[sys.argv[1]]
    print(json.dumps(measured(sys.argv[2], int(sys.argv[3]))))
