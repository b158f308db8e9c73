"""Numbers and times as text, and back."""
