"""The groups of an account, as WhatsApp's page knows them. Values only; nothing is decided here.

A page that has started a short time ago may not have read the members of every group yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Group:
    """A group that is in the account's list of chats.

    `can_write`: whether the account is a member and may write; None: the page does not know it yet.
    """

    id: str
    subject: str
    size: int
    can_write: bool | None


@dataclass(frozen=True, slots=True)
class GroupList:
    """Not `is_complete`: there are more groups than are listed."""

    groups: tuple[Group, ...] = ()
    is_complete: bool = True

    @classmethod
    def decode(cls, answer: Mapping[str, Any]) -> "GroupList":
        """The answer of the adapter's `list_groups`."""
        return cls(tuple(Group(**group) for group in answer["groups"]), answer["is_complete"])
