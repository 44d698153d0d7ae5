"""The contrast servers: one concurrency model each, on the same core and the same service.

A module of this package is a model and nothing else; what is not, is in `common`.
"""

import sys

#: Every model, by the name it has on the command line; see `module_of`.
NAMES = (
    "iterative",
    "threads",
    "select",
    "epoll",
    "epoll-workers",
    "reactor",
    "coro",
    "streams",
    "nested",
    "select-chat",
    "epoll-chat",
    "asyncio-chat",
)


def module_of(name: str) -> str:
    """The module of a model: its name with underscores, and one more behind a taken name.

    A module called like one of the standard library would be imported in its place by
    everything that is started in this folder.
    """
    module = name.replace("-", "_")
    return f"{module}_" if module in sys.stdlib_module_names else module
