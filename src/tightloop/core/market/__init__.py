"""What a market event changes: prices, bars, tapes, depth. No money."""
