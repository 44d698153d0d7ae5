"""Services written with the public API alone."""
