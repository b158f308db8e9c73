"""The simulated venues: bars, ticks, order books, carry. They never read State."""
