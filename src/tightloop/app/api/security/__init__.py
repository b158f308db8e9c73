"""Who may do what: passwords, logins, roles, throttles, and the record of what was done."""
