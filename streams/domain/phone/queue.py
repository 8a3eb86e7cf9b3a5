"""The order of a phone's queue: urgent before normal before bulk, first come first served in each.

Bulk yields to both and is never starved: after `MAX_BULK_SKIPS` dispatches that skipped it, bulk goes
first. The cost of each function does not depend on the length of the queue.
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from streams.domain.phone.events import PRIORITIES, Priority
from streams.domain.phone.state import Message, Phone, PriorityQueue

MAX_BULK_SKIPS: Final = 4


def order_priorities(phone: Phone) -> Iterator[Priority]:
    """The priorities that have messages, in the order in which they are to be served."""
    priorities = list(PRIORITIES)
    if phone.bulk_skipped >= MAX_BULK_SKIPS:
        priorities.insert(0, priorities.pop())
    return (priority for priority in priorities if phone.queue(priority).count)


def count_ahead(phone: Phone, priority: Priority) -> int:
    """How many messages would leave before a new one of this priority."""
    served_before = PRIORITIES[: PRIORITIES.index(priority) + 1]
    return sum(phone.queue(other).count for other in served_before)


def get_position(phone: Phone, message: Message) -> int:
    """How many messages of this phone are ahead of this one."""
    ahead = count_ahead(phone, message.priority)
    if message.seq < 0:
        return ahead
    own_queue = phone.queue(message.priority)
    ahead_in_own_queue = min(max(message.seq - own_queue.head, 0), max(own_queue.count - 1, 0))
    return ahead - own_queue.count + ahead_in_own_queue


def replace_queue(phone: Phone, priority: Priority, queue: PriorityQueue) -> Phone:
    """The phone with this queue in place of the old one of this priority."""
    return replace(phone, **{priority: queue})


def enqueue(queue: PriorityQueue) -> PriorityQueue:
    """The queue with one more message, which stands at the old `tail`."""
    return replace(queue, tail=queue.tail + 1, count=queue.count + 1)


def dequeue(queue: PriorityQueue, seq: int) -> PriorityQueue:
    """The queue without the message that stood at `seq`."""
    head = seq + 1 if seq == queue.head else queue.head
    return replace(queue, head=head, count=queue.count - 1)


def count_bulk_skip(phone: Phone, priority: Priority) -> Phone:
    """The phone after a dispatch of this priority, with the count that keeps bulk from starving."""
    is_bulk_skipped = phone.bulk.count > 0 and priority != "bulk"
    return replace(phone, bulk_skipped=phone.bulk_skipped + 1 if is_bulk_skipped else 0)
