"""A command that takes time: a generator of actions, followed step by step."""

from collections.abc import Iterator
from typing import Any

from .actions import Action, Close, Compute, Send, Sleep
from .service import BadCommand


class ProtocolError(RuntimeError):
    """The driver broke the rules of the core: a bug in the driver, not in the peer."""


class Running:
    """A command on its way; its first step is done when it is made.

    :param verb: the command's verb, for messages.
    :raises StopIteration: if it is through without any action.
    :raises BaseException: whatever the command raises.
    """

    __slots__ = ("_failure", "_first", "_iterator", "_result", "_verb", "computing")

    def __init__(self, verb: str, iterator: Iterator[Action]) -> None:
        self._verb = verb
        self._iterator: Any = iterator
        #: The result of a Compute is due.
        self.computing = False
        self._result: Any = None  # it, or
        self._failure: BaseException | None = None  # why there is none
        self._first: Action | None = self._checked(next(iterator))

    def next_action(self) -> Action:
        """What the command wants done now.

        :raises StopIteration: when it is through.
        :raises BaseException: whatever the command raises.
        """
        action, self._first = self._first, None
        if action is None:
            action = self._checked(self._step())
        self.computing = isinstance(action, Compute)
        return action

    def receive(self, result: Any, failure: BaseException | None) -> None:
        """Take in what came of the last Compute.

        :raises ProtocolError: if nothing is due.
        """
        if not self.computing:
            raise ProtocolError("no result is due")
        self.computing = False
        self._result, self._failure = result, failure

    def close(self) -> None:
        """Close the generator where it stands, so that its ``finally`` is run now."""
        if hasattr(self._iterator, "close"):
            self._iterator.close()

    def _step(self) -> Any:
        result, self._result = self._result, None
        failure, self._failure = self._failure, None
        if failure is not None:
            return self._iterator.throw(failure)
        # Any iterator will do for a command that asks for no result.
        return next(self._iterator) if result is None else self._iterator.send(result)

    def _checked(self, action: Any) -> Action:
        if isinstance(action, (Send, Sleep, Compute, Close)):
            return action
        kind = type(action).__name__
        raise BadCommand(f"{self._verb} yielded {kind}, not Send, Sleep, Compute or Close")
