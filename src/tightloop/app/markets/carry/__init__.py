"""Data of a carry run, loaded and checked."""
