"""Rows in memory as the core takes them."""
