"""Market data in memory, laid out as the compiled loops read it."""
