"""Carry strategies: file format, layers and legs, validation, and the arrays a run starts from."""
