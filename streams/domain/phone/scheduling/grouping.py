"""Which phones may share a commit: at most one event of each, in the order of the log.

The journal of a row holds what one event changed and caused. If two events of a phone shared a commit, the effects of
the first one could not be published again after a crash.

An event that frees a place at an account gives the turn to the phone that waits for it, in the same commit. The second
row gets the offset of that event too, so its row must not be newer: an event that it has seen would be applied again
after a crash. And nothing else of the group may be about that phone: an event that changed nothing before would be
decided again on another row. Nothing is applied here.
"""

from collections.abc import Iterable
from typing import Final

from streams.domain.phone.state import Phone

MAX_TURNS_PER_EVENT: Final = 4  # the others get an event of their own


class CommitPhones:
    """The phones that one commit changes."""

    def __init__(self, group_phones: Iterable[str]) -> None:
        """`group_phones`: all phones that the group of events is about, in this commit or another."""
        self._group_phones = frozenset(group_phones)
        self._taken: set[str] = set()

    def take(self, phone: str) -> None:
        """The commit changes this phone."""
        self._taken.add(phone)

    def is_taken(self, phone: str) -> bool:
        """Whether the next event of this phone must wait until the commit is done."""
        return phone in self._taken

    def may_get_turn(self, phone: str, row: Phone | None, offset: int) -> bool:
        """Whether the event at this offset may change this phone too, whose row is this."""
        if row is None or row.offset >= offset:
            return False
        return phone not in self._group_phones and phone not in self._taken


def find_free_place(before: Phone | None, row: Phone | None) -> str | None:
    """The account that has a place more than before, now that the phone's row is this; None: there is none."""
    if before is None or before.in_flight is None or row is None or row.is_removed:
        return None
    account = before.in_flight.account
    is_free = row.in_flight is None or row.in_flight.account != account
    return account if is_free else None
