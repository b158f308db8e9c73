"""What the world is asked for: protocols and plain records. No code here does I/O, and nothing above knows who does."""
