"""Why, and why not, as plain records."""
