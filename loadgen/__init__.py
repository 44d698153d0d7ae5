"""The load generator, on the client's side of the protocol core."""
