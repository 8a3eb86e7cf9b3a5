"""Follows `wa.status` for calls that wait for the answer to their request. One reader for all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from streams.client.events import decode_event
from streams.contract.status import StatusEvent
from streams.kafka.reader import Reader, open_reader
from streams.settings import ClientSettings
from streams.system.tasks import CONSUMER_CANCEL_AGAIN_AFTER_S, cancel_tasks, race


class Subscription:
    """The events of one request, in order of arrival."""

    def __init__(
        self, listener_task: asyncio.Task[None], matches: Callable[[StatusEvent], bool]
    ) -> None:
        self.matches = matches
        self.events: asyncio.Queue[StatusEvent] = asyncio.Queue()
        self._listener_task = listener_task

    async def next(self) -> StatusEvent:
        """Wait for the next event. Raises the error that ended the listener, if it has ended."""
        return await race(self.events.get(), self._raise_listener_error())

    async def _raise_listener_error(self) -> StatusEvent:
        await asyncio.shield(self._listener_task)  # others listen too
        raise AssertionError("unreachable: a topic has no end")


class StatusListener:
    """Passes each event on to the calls that wait for it."""

    def __init__(self, settings: ClientSettings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._subscriptions: dict[str, list[Subscription]] = {}

    @asynccontextmanager
    async def subscribe(
        self, id: str, matches: Callable[[StatusEvent], bool]
    ) -> AsyncIterator[Subscription]:
        """Receive the events with this id that match, from now on."""
        subscription = Subscription(await self._start(), matches)
        subscriptions = self._subscriptions.setdefault(id, [])
        subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            subscriptions.remove(subscription)
            if not subscriptions:
                del self._subscriptions[id]

    async def close(self) -> None:
        """Stop to follow."""
        if self._task is not None:
            await cancel_tasks(self._task, again_after_s=CONSUMER_CANCEL_AGAIN_AFTER_S)

    async def _start(self) -> asyncio.Task[None]:
        """Follow the topic from now on; again, if an error has ended that."""
        async with self._lock:
            if self._task is None or self._task.done():
                is_following = asyncio.Event()
                task = asyncio.create_task(self._follow(is_following))
                self._task = task
                await race(_wait_for(task), _wait_for_event(is_following))
            return self._task

    async def _follow(self, is_following: asyncio.Event) -> None:
        async with open_reader(self._settings, self._topic) as reader:
            await reader.seek_to_end()
            is_following.set()
            await self._route_events(reader)

    async def _route_events(self, reader: Reader) -> None:
        async for record in reader.follow():
            event = decode_event(record.value)
            if event is None:
                continue
            for subscription in self._subscriptions.get(event.id, ()):
                if subscription.matches(event):
                    subscription.events.put_nowait(event)


async def _wait_for(task: asyncio.Task[None]) -> None:
    """Await a task without cancelling it."""
    await asyncio.shield(task)


async def _wait_for_event(event: asyncio.Event) -> None:
    await event.wait()
