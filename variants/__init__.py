"""The contrast servers: one concurrency model each, on the same core and the same service.

A module of this package is a model and nothing else; what is not, is in `common`.
"""

#: Every model, by the name it has on the command line; its module has the same with
#: underscores.
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
