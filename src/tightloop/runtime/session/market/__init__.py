"""The public market of a venue, as facts of a session."""
