"""What a run leaves: rows recorded, tables, figures."""
