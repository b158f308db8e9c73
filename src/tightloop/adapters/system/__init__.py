"""What the operating system says."""
