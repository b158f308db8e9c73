"""The report of a carry run."""
