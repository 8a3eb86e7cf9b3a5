"""The order of a phone's queue: urgent before normal before bulk, first come first served in each.

Bulk yields to both and is never starved: after `RESERVE` releases that passed it over it has its turn.
Cost does not depend on how long the queue is.
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from streams.domain.phone.events import PRIORITIES, Priority
from streams.domain.phone.state import Lane, Phone

RESERVE: Final = 4


def order(phone: Phone) -> Iterator[Priority]:
    """The lanes that hold something, in the order in which they are to be asked."""
    lanes = list(PRIORITIES)
    if phone.passed_over >= RESERVE:
        lanes.insert(0, lanes.pop())
    return (priority for priority in lanes if phone.lane(priority).count)


def ahead(phone: Phone, priority: Priority) -> int:
    """How many messages would leave before a new one of this priority."""
    before = PRIORITIES[: PRIORITIES.index(priority) + 1]
    return sum(phone.lane(each).count for each in before)


def with_lane(phone: Phone, priority: Priority, lane: Lane) -> Phone:
    """The phone with this lane in the place of its old one."""
    return replace(phone, **{priority: lane})


def pushed(lane: Lane) -> Lane:
    """The lane with one more message, which stands at the old `tail`."""
    return replace(lane, tail=lane.tail + 1, count=lane.count + 1)


def popped(lane: Lane, seq: int) -> Lane:
    """The lane without the message that stood at `seq`."""
    head = seq + 1 if seq == lane.head else lane.head
    return replace(lane, head=head, count=lane.count - 1)


def passed(phone: Phone, priority: Priority) -> Phone:
    """The phone after a release of this priority, with the count that keeps bulk from starving."""
    starving = phone.bulk.count > 0 and priority != "bulk"
    return replace(phone, passed_over=phone.passed_over + 1 if starving else 0)
