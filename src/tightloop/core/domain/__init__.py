"""What the core speaks of: records, enums, kinds of arguments. No behaviour."""
