"""Orders, positions, margin, cash and the ledger of an account."""
