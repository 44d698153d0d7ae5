"""The contrast servers: one concurrency model each, on the same core and the same service."""
