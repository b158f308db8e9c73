"""How files that people write are read: lines, fields, overrides, diagnostics."""
