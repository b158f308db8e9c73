"""The quality gate: finds the faults of bars, ticks, books and series, and decides what may run."""
