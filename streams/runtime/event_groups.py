"""Takes the events of a partition in groups, so that many can share one commit.

A group is the next event and all that have arrived behind it; it waits for nothing more. Its events are acknowledged
when it is done. If it cannot be finished here, its events are abandoned, and whoever has the partition next reads them
again. What an event means is not known here. The handler must not mind an event that comes again.

Only the first event of a group comes through Faust's iterator, which takes several turns of the event loop for each.
The others are taken from the agent's queue at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from faust.types import EventT

from streams.runtime.protocols import GroupingApp

MAX_GROUP_EVENTS: Final = 200

Event = EventT[Any]


async def process_in_groups(
    app: GroupingApp,
    stream: Any,
    handle: Callable[[Sequence[Event]], Awaitable[None]],
) -> None:
    """Pass each group to `handle`, in the order of the log, until the stream ends.

    Raises:
        PartitionRevoked, AppStopped: by `handle`; the group is abandoned.
    """
    unacknowledged = stream.noack()
    queue = unacknowledged.channel.queue
    async for event in unacknowledged.events():
        await _process_group(app, event, queue, handle)


async def _process_group(
    app: GroupingApp,
    first: Event,
    queue: Any,
    handle: Callable[[Sequence[Event]], Awaitable[None]],
) -> None:
    events, is_done = [first], False
    try:
        _take_arrived(app, queue, events)
        await handle(events)
        is_done = True
    finally:
        if is_done:
            app.acknowledge(events)
        else:
            for event in events:
                app.abandon(event)


def _take_arrived(app: GroupingApp, queue: Any, events: list[Event]) -> None:
    """Append what is in the queue now.

    Faust's iterator skips events of an earlier assignment. None of them is here, behind an event of the current one.
    """
    while len(events) < MAX_GROUP_EVENTS and not queue.empty():
        event = queue.get_nowait()
        app.track(event)
        events.append(event)
