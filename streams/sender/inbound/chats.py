"""Publishes messages chat by chat: in order within a chat, and no chat waits for a file of another one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from streams.contract.inbound import InboundMedia, InboundMessage
from streams.domain.phone.events import InboundSeen
from streams.sender.inbound.downloads import MediaDownloader
from streams.sender.inbound.records import make_event, make_message
from streams.system.tasks import cancel_tasks
from streams.whatsapp.incoming import IncomingMessage

MAX_GROUP: Final = 100  # messages that are published at once

PublishMessages = Callable[[Sequence[InboundMessage]], Awaitable[object]]
PublishEvents = Callable[[Sequence[InboundSeen]], Awaitable[object]]


class ChatPublisher:
    """One task for each chat that has something to publish. `on_published` is called for each message, in order."""

    def __init__(
        self,
        account: str,
        *,
        downloader: MediaDownloader,
        publish_messages: PublishMessages,
        publish_events: PublishEvents,
        on_published: Callable[[IncomingMessage], None],
    ) -> None:
        self._account = account
        self._downloader = downloader
        self._publish_messages = publish_messages
        self._publish_events = publish_events
        self._on_published = on_published
        self._waiting: dict[str, deque[IncomingMessage]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._progress = asyncio.Event()

    def add(self, messages: Iterable[IncomingMessage]) -> None:
        """Publish these, after those of their chats that wait already."""
        for message in messages:
            self._waiting.setdefault(message.chat_id, deque()).append(message)
            if message.chat_id not in self._tasks:
                task = asyncio.create_task(self._run_chat(message.chat_id), name="inbound-chat")
                self._tasks[message.chat_id] = task

    @property
    def is_busy(self) -> bool:
        """Whether something is not published yet."""
        return bool(self._tasks)

    async def wait_for_progress(self) -> None:
        """Wait until something is published, or everything. Raises the error of a chat."""
        if self._tasks:
            self._progress.clear()
            progress = asyncio.create_task(self._progress.wait())
            try:
                await asyncio.wait(
                    [progress, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                progress.cancel()
        self._collect()

    def _collect(self) -> None:
        for chat_id, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[chat_id]
                task.result()

    async def close(self) -> None:
        """End every task: what is not published is read again."""
        await cancel_tasks(*self._tasks.values())

    # -- one chat

    async def _run_chat(self, chat_id: str) -> None:
        waiting = self._waiting[chat_id]
        while waiting:
            group = self._take_group(waiting)
            media = await self._download(group[0])
            await self._publish(group, media)
        del self._waiting[chat_id]
        if self._tasks.get(chat_id) is asyncio.current_task():
            del self._tasks[chat_id]
        self._progress.set()

    @staticmethod
    def _take_group(waiting: deque[IncomingMessage]) -> list[IncomingMessage]:
        """A message with a file, or those up to the next one."""
        group = [waiting.popleft()]
        while waiting and len(group) < MAX_GROUP and group[0].media is None:
            if waiting[0].media is not None:
                break
            group.append(waiting.popleft())
        return group

    async def _download(self, message: IncomingMessage) -> InboundMedia | None:
        if message.media is None:
            return None
        return await self._downloader.download(message, message.media)

    async def _publish(self, group: list[IncomingMessage], media: InboundMedia | None) -> None:
        await self._publish_messages(
            [make_message(self._account, message, media) for message in group]
        )
        events = [make_event(self._account, message) for message in group]
        if seen := [event for event in events if event is not None]:
            await self._publish_events(seen)
        for message in group:
            self._on_published(message)
        self._progress.set()
