"""What every core has in common, so that one driver can drive them all."""

from typing import Any, Protocol

from .actions import Action, Compute, NeedData


class Core(Protocol):
    """One client's side of a protocol: see `Connection`, and `connection` for the loop."""

    @property
    def settled(self) -> bool:
        """Whether `next_action` is known to say NEED_DATA."""

    @property
    def unfinished(self) -> bool:
        """Whether a line has begun and its end is still to come."""

    def receive_data(self, data: bytes) -> None:
        """Take in what was read."""

    def receive_eof(self) -> None:
        """Take in the end of input."""

    def next_action(self) -> Action | NeedData:
        """What the driver is to do now."""

    def compute(self, action: Compute) -> Any:
        """Do the work of ``action`` here and now."""

    def abandon(self) -> None:
        """Let go of everything: the connection is lost."""
