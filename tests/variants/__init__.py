"""The contrast servers: what they share, in units, and what only some of them do, in processes."""
