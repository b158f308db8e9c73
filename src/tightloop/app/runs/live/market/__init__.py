"""What a session asks of a venue's market beside its streams: bars of the past, snapshots of order books."""
