"""Which events of a group may share a commit: at most one of each phone, in the order of the log.

The journal of a row holds what one event changed and caused. If two events of a phone shared a commit, the effects of
the first one could not be published again after a crash. Events of different phones do not see each other's rows, so
their order does not matter. Nothing is applied here.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def take_first_of_each(
    items: Sequence[T], get_phone: Callable[[T], str]
) -> tuple[list[T], list[T]]:
    """The first item of each phone, and the others, which must wait until the first ones are committed.

    Both keep their order. An item that waits never overtakes an earlier one of its phone. As items that wait are taken
    before what arrives later, the order of each phone is that of the log.
    """
    first: dict[str, T] = {}
    others: list[T] = []
    for item in items:
        phone = get_phone(item)
        if phone in first:
            others.append(item)
        else:
            first[phone] = item
    return list(first.values()), others
