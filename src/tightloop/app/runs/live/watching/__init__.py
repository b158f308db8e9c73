"""What a session looks at again and again: whether its journal lasts, and the kill switch of its home."""
