"""Markets that a twin plays: a synthetic one, or a catalog."""
