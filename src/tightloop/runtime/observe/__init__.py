"""Runs made again under observation, for explanations."""
