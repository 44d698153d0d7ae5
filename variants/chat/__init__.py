"""A chat, without any I/O: the core that the chat servers share."""

from .room import Member, Room

__all__ = ["Member", "Room"]
