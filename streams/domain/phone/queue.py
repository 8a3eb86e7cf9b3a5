"""The order of a phone's queue: urgent before normal before bulk, first come first served in each.

Bulk yields to both and is never starved: after `MAX_BULK_SKIPS` releases that passed it over it has its turn.
Cost does not depend on how long the queue is.
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from streams.domain.phone.events import PRIORITIES, Priority
from streams.domain.phone.state import Phone, PriorityQueue

MAX_BULK_SKIPS: Final = 4


def order_priorities(phone: Phone) -> Iterator[Priority]:
    """The lanes that hold something, in the order in which they are to be asked."""
    priorities = list(PRIORITIES)
    if phone.bulk_skipped >= MAX_BULK_SKIPS:
        priorities.insert(0, priorities.pop())
    return (priority for priority in priorities if phone.queue(priority).count)


def count_ahead(phone: Phone, priority: Priority) -> int:
    """How many messages would leave before a new one of this priority."""
    served_before = PRIORITIES[: PRIORITIES.index(priority) + 1]
    return sum(phone.queue(other).count for other in served_before)


def replace_queue(phone: Phone, priority: Priority, queue: PriorityQueue) -> Phone:
    """The phone with this lane in the place of its old one."""
    return replace(phone, **{priority: queue})


def enqueue(queue: PriorityQueue) -> PriorityQueue:
    """The lane with one more message, which stands at the old `tail`."""
    return replace(queue, tail=queue.tail + 1, count=queue.count + 1)


def dequeue(queue: PriorityQueue, seq: int) -> PriorityQueue:
    """The lane without the message that stood at `seq`."""
    head = seq + 1 if seq == queue.head else queue.head
    return replace(queue, head=head, count=queue.count - 1)


def count_bulk_skip(phone: Phone, priority: Priority) -> Phone:
    """The phone after a release of this priority, with the count that keeps bulk from starving."""
    is_bulk_skipped = phone.bulk.count > 0 and priority != "bulk"
    return replace(phone, bulk_skipped=phone.bulk_skipped + 1 if is_bulk_skipped else 0)
