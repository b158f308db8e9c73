"""Compiled loops over a whole run, and the same one event at a time."""
