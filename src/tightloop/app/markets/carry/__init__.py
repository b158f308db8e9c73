"""Market data of a carry run, loaded through the quality gate."""
