"""Takes the events of a partition in groups, so that many can share one commit.

A group is what has arrived since the last one, and waits for nothing more. Its events are acknowledged when it is done.
If it cannot be finished here, its events are abandoned, and whoever has the partition next reads them again. What an
event means is not known here. The handler must not mind an event that comes again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from faust.types import EventT

from streams.runtime.protocols import AbandoningApp
from streams.system.tasks import cancel_tasks, race

MAX_GROUP_EVENTS: Final = 500

Event = EventT[Any]


async def process_in_groups(
    app: AbandoningApp, stream: Any, handle: Callable[[Sequence[Event]], Awaitable[None]]
) -> None:
    """Pass each group to `handle`, in the order of the log, until cancelled.

    Raises:
        PartitionRevoked, AppStopped: by `handle`; the group is abandoned.
    """
    inbox = _Inbox(app, stream)
    reader_task = asyncio.create_task(inbox.read())
    try:
        while True:
            # What is taken here cannot be lost by a cancellation: nothing is awaited before it is handled.
            await race(inbox.wait(), _wait_for_end(reader_task))
            events = inbox.take_all()
            if not events:
                return  # the stream has ended, because the app is stopping
            await _process_group(app, events, handle)
    finally:
        await cancel_tasks(reader_task)
        for event in inbox.take_all():
            app.abandon(event)


async def _process_group(
    app: AbandoningApp,
    events: Sequence[Event],
    handle: Callable[[Sequence[Event]], Awaitable[None]],
) -> None:
    is_done = False
    try:
        await handle(events)
        is_done = True
    finally:
        for event in events:
            if is_done:
                event.ack()
            else:
                app.abandon(event)


async def _wait_for_end(reader_task: asyncio.Task[None]) -> None:
    await asyncio.shield(reader_task)  # it reads on while the caller handles a group


class _Inbox:
    """The events of a stream that were not taken yet."""

    def __init__(self, app: AbandoningApp, stream: Any) -> None:
        self._app = app
        self._stream = stream
        self._events: asyncio.Queue[Event] = asyncio.Queue(MAX_GROUP_EVENTS)
        self._has_events = asyncio.Event()

    async def read(self) -> None:
        """Read the stream until it ends. The events are not acknowledged."""
        async for event in self._stream.noack().events():
            try:
                await self._events.put(event)
            except asyncio.CancelledError:
                self._app.abandon(event)
                raise
            self._has_events.set()

    async def wait(self) -> None:
        """Return once an event is there."""
        await self._has_events.wait()

    def take_all(self) -> list[Event]:
        """What is there now."""
        self._has_events.clear()
        return [self._events.get_nowait() for _ in range(self._events.qsize())]
