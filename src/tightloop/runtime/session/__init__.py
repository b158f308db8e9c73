"""Sessions: drivers that step one event at a time."""
