"""What a session shows and compares is read without the compiler, which costs seconds at a restart."""

import subprocess
import sys

READ = """
import sys
import numpy as np
from tightloop.core.domain.types import STATE
from tightloop.core.trading import ledger
from tightloop.runtime.session.account.view import outside_of

state = np.zeros(1, STATE)
state["balances"][0][ledger.EXTERNAL] = 12.5
print(outside_of(state[0]), "numba" in sys.modules)
"""


def test_the_money_outside_is_read_without_the_compiler():
    ran = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["12.5", "False"]
