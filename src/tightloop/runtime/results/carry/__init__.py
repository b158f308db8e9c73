"""What a carry run leaves."""
