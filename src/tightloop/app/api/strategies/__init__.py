"""Strategies of a home folder: their files, and whether they are right."""
