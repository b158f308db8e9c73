"""Strategies that users write in Python."""
