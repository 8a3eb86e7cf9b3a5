"""Follows the messages to the account: reads what is new in WhatsApp Web's store, and publishes it.

It reads when the page reports something, whenever the session has become ready, and regularly: an event of the page can
be lost. Positions are stored only after what they stand for is on `wa.inbound`: a crash repeats, and loses nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from streams.domain.inbound.position import new_position
from streams.domain.inbound.reader import Reader
from streams.sender.inbound.chats import ChatPublisher, PublishEvents, PublishMessages
from streams.sender.inbound.downloads import MediaDownloader
from streams.sender.inbound.position_store import CHANGE_WINDOW_S, PositionStore
from streams.whatsapp.incoming import IncomingHint, IncomingMessage, IncomingStore

log = logging.getLogger(__name__)

CHECK_INTERVAL_S: Final = 60.0
FULL_SEARCH_INTERVAL_S: Final = 600.0
RECENT_ROWS: Final = 300  # a change of an older message is found by the next full search
MAX_RESTARTS: Final = (
    5  # of one reading: messages may be deleted while it goes on, but not for ever
)
MAX_AGE_S: Final = (
    7 * 86_400.0
)  # an account without a position begins here: the topic keeps records for as long

_CHANGE_TYPES: Final = frozenset({"edit", "revoke", "reaction"})


class InboundFollower:
    """`notify` may be called at any time; `run` does the work."""

    def __init__(
        self,
        account: str,
        *,
        positions: PositionStore,
        downloader: MediaDownloader,
        get_page: Callable[[], IncomingStore | None],
        publish_messages: PublishMessages,
        publish_events: PublishEvents,
        on_published: Callable[[IncomingMessage], object],
        now_s: Callable[[], float],
    ) -> None:
        """`get_page` gives the driver while its session is ready."""
        self._positions = positions
        self._get_page = get_page
        self._now_s = now_s
        self._count = on_published
        self._chats = ChatPublisher(
            account,
            downloader=downloader,
            publish_messages=publish_messages,
            publish_events=publish_events,
            on_published=self._finish,
        )
        self._wake_event = asyncio.Event()
        self._has_changes = False
        self._full_search_due_s = 0.0
        self._searched_row = (
            0  # when changes were last looked for, everything up to it was published
        )
        self._reader: Reader[IncomingMessage] | None = None
        self._published_changes: list[str] = []

    def notify(self, hint: IncomingHint) -> None:
        """The page reports that there is something to read."""
        self._has_changes |= hint.is_change
        self._wake_event.set()

    def notify_ready(self) -> None:
        """The session has become ready: whatever happened before may have been missed."""
        self._full_search_due_s = 0.0
        self._wake_event.set()

    async def run(self) -> None:
        """Read and publish until cancelled."""
        try:
            while True:
                await self._wait_for_work()
                page = self._get_page()
                if page is not None:
                    await self._read(page)
        finally:
            await self._chats.close()

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(CHECK_INTERVAL_S):
                await self._wake_event.wait()
        except TimeoutError:
            return
        finally:
            self._wake_event.clear()

    async def _read(self, page: IncomingStore) -> None:
        """Look for changes first, and publish them last: after the messages that they are about."""
        is_full = self._now_s() >= self._full_search_due_s
        had_hint, self._has_changes = self._has_changes, False
        changes: list[IncomingMessage] | None = []
        row = self._open_reader().position.row
        if is_full or had_hint:
            after_row = 0 if is_full else self._searched_row - RECENT_ROWS
            changes = await self._find_changes(page, after_row)
        if changes is None or not await self._read_messages(page):
            self._has_changes |= had_hint  # the page cannot answer: it becomes ready again
            return
        await self._publish_changes(changes)
        if is_full or had_hint:
            self._searched_row = row
        if is_full:
            self._full_search_due_s = self._now_s() + FULL_SEARCH_INTERVAL_S
            await self._positions.forget_changes(self._now_s())

    # -- messages

    def _open_reader(self) -> Reader[IncomingMessage]:
        if self._reader is None:
            position = self._positions.load()
            if position is None:
                log.info("messages to this account are published from now on")
                position = new_position(self._now_s(), MAX_AGE_S)
            self._reader = Reader(position)
        return self._reader

    async def _read_messages(self, page: IncomingStore) -> bool:
        """Publish everything that is there. False if the page cannot answer: it becomes ready again."""
        reader = self._open_reader()
        has_more, restarts = True, 0
        while has_more or reader.unfinished:
            request = reader.next_read() if has_more else None
            if request is None:
                await self._chats.wait_for_progress()
            else:
                batch = await page.read_messages(request)
                if batch is None:
                    return False
                if not batch.is_anchored:
                    log.warning(
                        "the last message that was read is no longer in WhatsApp Web's store: it was deleted, or the"
                        " store was lost; messages are read again by their times"
                    )
                self._chats.add(self._select(reader.accept(request, batch)))
                restarts += not batch.is_anchored
                has_more = restarts <= MAX_RESTARTS and (
                    not batch.is_anchored or batch.last_row > request.row
                )
            await self._positions.save(reader.position)
        await self._save_changes()
        return True

    def _select(self, messages: list[IncomingMessage]) -> list[IncomingMessage]:
        """Without changes that are published already: a revoke is a row, too."""
        selected: list[IncomingMessage] = []
        for message in messages:
            is_change = message.type in _CHANGE_TYPES
            if is_change and self._positions.is_published(message.whatsapp_id):
                self._finish_row(message)
            else:
                selected.append(message)
        return selected

    def _finish(self, message: IncomingMessage) -> None:
        if message.type in _CHANGE_TYPES:
            self._published_changes.append(message.whatsapp_id)
        self._finish_row(message)
        self._count(message)

    def _finish_row(self, message: IncomingMessage) -> None:
        if message.row:
            self._open_reader().finish(message)

    # -- changes

    async def _find_changes(
        self, page: IncomingStore, after_row: int
    ) -> list[IncomingMessage] | None:
        """The edits, revokes and reactions that are not published; None if the page cannot answer."""
        since_s = max(self._now_s() - CHANGE_WINDOW_S, self._open_reader().position.started_s)
        found: dict[str, IncomingMessage] = {}
        before_row: int | None = None
        while True:
            batch = await page.read_changes(since_s, after_row=after_row, before_row=before_row)
            if batch is None:
                return None
            for change in batch.changes:
                if not self._positions.is_published(change.whatsapp_id):
                    found[change.whatsapp_id] = change
            before_row = batch.next_row
            if before_row is None:
                return sorted(found.values(), key=lambda change: change.at_s)

    async def _publish_changes(self, changes: list[IncomingMessage]) -> None:
        self._chats.add(self._select(changes))  # some may have been published as rows meanwhile
        while self._chats.is_busy:
            await self._chats.wait_for_progress()
        await self._save_changes()

    async def _save_changes(self) -> None:
        if self._published_changes:
            published, self._published_changes = self._published_changes, []
            await self._positions.add_published(published, self._now_s())
