"""A venue's public market beside a session: its sockets."""
