"""The order of a phone's messages: urgent before normal before bulk, first come first served in each.

Bulk yields to both and is never starved: after `MAX_BULK_SKIPS` dispatches that skipped it, bulk goes
first. Each priority has one queue of the messages that may use any account, and one for each account that
a caller required. So a message that waits for its account holds up only what may use that account. Marketing
messages have queues of their own, because quiet hours hold back only them. The cost of each function does not
depend on the length of a queue.
"""

from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from streams.domain.phone.events import Priority
from streams.domain.phone.state import Message, Parked, Phone, PriorityQueue
from streams.domain.phone.values.queue_rows import PRIORITIES

MAX_BULK_SKIPS: Final = 4


def sort_heads(phone: Phone, heads: list[Message]) -> list[Message]:
    """The first messages of all queues, in the order in which they are to be served."""
    priorities = list(PRIORITIES)
    if phone.bulk_skipped >= MAX_BULK_SKIPS:
        priorities.insert(0, priorities.pop())
    return sorted(heads, key=lambda head: (priorities.index(head.priority), head.arrival))


def get_position(phone: Phone, message: Message) -> int:
    """How many messages of this phone are ahead of this one.

    Of one that waits, those in other queues of its own priority are not counted: only when their own turn
    comes is it known who goes first.
    """
    served_before = PRIORITIES[: PRIORITIES.index(message.priority)]
    ahead = sum(_count_priority(phone, priority) for priority in served_before)
    if phone.is_parked(message.id):
        return ahead
    if message.seq < 0:
        return ahead + _count_priority(phone, message.priority)
    own_queue = phone.queue(message.queue_name)
    return ahead + min(max(message.seq - own_queue.head, 0), max(own_queue.count - 1, 0))


def _count_priority(phone: Phone, priority: Priority) -> int:
    count = 0
    for name, queue in phone.queues.items():
        if get_priority(name) == priority:
            count += queue.count
    for parked in phone.parked:
        count += parked.priority == priority
    return count


@lru_cache(maxsize=1024)
def get_priority(queue_name: str) -> str:
    """The priority of a queue: `normal`, `normal@sales-1`, `normal/marketing`."""
    return queue_name.partition("@")[0].partition("/")[0]


def replace_queue(phone: Phone, name: str, queue: PriorityQueue) -> Phone:
    """The phone with this queue in place of the old one of this name; an empty one is not kept."""
    others = {other: kept for other, kept in phone.queues.items() if other != name}
    return replace(phone, queues=others | {name: queue} if queue.count else others)


def enqueue(queue: PriorityQueue) -> PriorityQueue:
    """The queue with one more message, which stands at the old `tail`."""
    return replace(queue, tail=queue.tail + 1, count=queue.count + 1)


def dequeue(queue: PriorityQueue, seq: int) -> PriorityQueue:
    """The queue without the message that stood at `seq`."""
    head = seq + 1 if seq == queue.head else queue.head
    return replace(queue, head=head, count=queue.count - 1)


def park(phone: Phone, message: Message) -> Phone:
    """The phone with this message beside its queues."""
    return replace(phone, parked=(*phone.parked, Parked(id=message.id, priority=message.priority)))


def unpark(phone: Phone, request_id: str) -> Phone:
    """The phone without this parked message."""
    return replace(phone, parked=tuple(p for p in phone.parked if p.id != request_id))


def count_bulk_skip(phone: Phone, priority: Priority) -> Phone:
    """The phone after a dispatch of this priority, with the count that keeps bulk from starving."""
    is_bulk_skipped = priority != "bulk" and _count_priority(phone, "bulk") > 0
    return replace(phone, bulk_skipped=phone.bulk_skipped + 1 if is_bulk_skipped else 0)
