"""The tests: unit tests that mirror the packages, and one conformance suite over sockets."""
