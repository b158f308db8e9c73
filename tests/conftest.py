"""The examples of hypothesis: the same ones at every change, others every night (`python3 dev.py nightly`)."""

from hypothesis import settings

settings.register_profile("steady", derandomize=True)
settings.register_profile("fresh", derandomize=False, print_blob=True)
settings.load_profile("steady")
