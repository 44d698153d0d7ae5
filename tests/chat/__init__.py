"""The chat: its room without I/O, and the servers that it is plugged into."""
