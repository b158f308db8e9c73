"""Carry: books of a fund over several venues, the events that change them, and the bundles the allocator sends."""
