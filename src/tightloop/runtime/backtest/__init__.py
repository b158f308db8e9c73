"""Drivers of a run over data of the past, and sweeps."""
