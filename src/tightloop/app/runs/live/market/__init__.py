"""A venue's public market: its sockets, order books by them, and bars of the past."""
