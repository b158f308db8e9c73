"""Drivers of runs over historical data, and parameter sweeps."""
