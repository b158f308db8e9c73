"""Strategies of the families signal, hold and python: file format, validation, and the arrays a run starts from."""
