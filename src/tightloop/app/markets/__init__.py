"""Market data of a run, loaded and checked."""
