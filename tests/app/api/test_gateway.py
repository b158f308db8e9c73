"""The log of the gateway has a bound, and has what the process says beside it."""

import subprocess
import sys

WRITER = """
import logging, os, sys
from pathlib import Path
from tightloop.app.api.gateway import GatewayLog

log = GatewayLog(Path(sys.argv[1]), 10_000)
logging.basicConfig(handlers=[log])
for number in range(2_000):
    logging.warning("a line %s", number)
os.write(2, b"what Python says")
"""


def test_a_log_that_others_make_grow_has_a_bound(tmp_path):
    file = tmp_path / "gateway.log"
    subprocess.run([sys.executable, "-c", WRITER, str(file)], check=True)
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 20_100
    assert file.read_text().endswith("a line 1999\nwhat Python says")
