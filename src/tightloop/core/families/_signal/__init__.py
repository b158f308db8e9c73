"""Parts of the signal family: what an entry asks for, and what protects it."""
