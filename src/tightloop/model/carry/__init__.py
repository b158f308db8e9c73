"""Carry strategies: their files, layers and legs, what is wrong in them, and the plan of a run."""
