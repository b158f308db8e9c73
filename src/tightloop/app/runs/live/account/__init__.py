"""An account at a venue: its client, what it must be like before a session trades on it, and how it is asked."""
