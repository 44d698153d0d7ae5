"""One adversarial suite over real sockets, for any server of the protocol.

`servers` lists what is put under it, `process` starts and ends it, `client` talks to it.
Without further ado the suite runs on every loop of dumb_async; a foreign server goes
under it alone, and is then asked only what needs none of our flags:

    pytest tests/conformance --server './floor {port}'
"""
