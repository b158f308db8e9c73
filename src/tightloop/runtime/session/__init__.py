"""One event at a time."""
