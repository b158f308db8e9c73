"""The account's side of a session: the desk between the step and a venue, what it is told, and what is compared."""
