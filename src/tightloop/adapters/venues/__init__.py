"""Venues: one file each, a ``VenueDialect``; ``_shared`` is the plumbing under all of them."""
