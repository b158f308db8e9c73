"""One attempt and the wire: it is sent, canceled, amended, and looked up where its outcome is not known."""
