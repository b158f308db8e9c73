"""Measurements over runs, or of signals against labelled events."""
