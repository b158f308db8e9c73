"""How figures and times are written and read."""
