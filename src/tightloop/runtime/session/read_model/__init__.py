"""Rows of the read model, from the records of a session's journal."""
