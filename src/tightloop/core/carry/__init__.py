"""Carry: the books of a fund over venues, what its events change, and the bundles it sends."""
