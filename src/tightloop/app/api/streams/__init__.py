"""The WebSocket: snapshots, deltas, values."""
