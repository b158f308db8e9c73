"""Effects of market events: prices, bars, tick tapes, order books. No money moves here."""
