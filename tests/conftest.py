"""The examples of hypothesis: the same ones at every change, others every night (`python3 dev.py nightly`).

No example has a deadline: a busy machine is no fault. Machine code that the image lacks is compiled as fast code.
"""

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("fresh", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("steady")

os.environ.setdefault("TIGHTLOOP_TIER", "fast")
