"""Ctrl-C before the command line has loaded."""

import subprocess
import sys

LOADING = """
import sys, runpy
class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == "tightloop.app.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
import tightloop.app.cli.start
"""


def test_ctrl_c_while_python_loads_ends_without_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], check=False, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "error: interrupted; nothing was begun\n"
