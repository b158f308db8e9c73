"""Strategies of signals and of Python: their files, what is wrong in them, and the plan of a run."""
