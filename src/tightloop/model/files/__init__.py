"""Reading of YAML files written by users: line numbers, field types, overrides, error messages."""
