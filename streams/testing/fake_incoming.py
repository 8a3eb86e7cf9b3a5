"""The messages to the account in the fake driver: what a test puts there, and how they are read.

It behaves as the message table of WhatsApp Web: a message gets the number after the highest that is there.
"""

from dataclasses import replace

from streams.domain.inbound.position import FIRST_ROW
from streams.domain.inbound.reader import ReadBatch, ReadRequest
from streams.whatsapp.incoming import ChangeBatch, IncomingMessage, MediaFailed, OpenedMedia

READ_LIMIT = 10


class FakeIncomingStore:
    """An `IncomingStore` in memory."""

    def __init__(self) -> None:
        self.rows: list[IncomingMessage] = []
        self.changes: list[IncomingMessage] = []
        self.files: dict[str, bytes] = {}  # by the key of the message
        self.media_failures: list[MediaFailed] = []  # of the next downloads
        self.is_readable = True
        self.read_count = 0

    def store_message(self, message: IncomingMessage) -> IncomingMessage:
        """A message arrives. Returns it with its number."""
        number = self.rows[-1].row + 1 if self.rows else FIRST_ROW
        stored = replace(message, row=number)
        self.rows.append(stored)
        return stored

    async def read_messages(self, request: ReadRequest) -> ReadBatch[IncomingMessage] | None:  # noqa: D102
        if not self.is_readable:
            return None
        self.read_count += 1
        by_row = {message.row: message for message in self.rows}
        anchor = by_row.get(request.row)
        if request.key and (anchor is None or anchor.key != request.key):
            return ReadBatch((), request.row, request.key, is_anchored=False)
        rows = [message for message in self.rows if message.row > request.row][:READ_LIMIT]
        row, key = (rows[-1].row, rows[-1].key) if rows else (request.row, request.key)
        fresh = [message for message in rows if message.at_s >= request.since_s]
        pending = [message for message in self.rows if message.key in request.pending]
        return ReadBatch(fresh, row, key, pending)

    async def read_changes(  # noqa: D102
        self, since_s: float, *, after_row: int, before_row: int | None = None
    ) -> ChangeBatch | None:
        if not self.is_readable:
            return None
        return ChangeBatch(tuple(change for change in self.changes if change.at_s >= since_s))

    async def open_media(self, key: str, max_bytes: int) -> OpenedMedia | MediaFailed:  # noqa: D102
        if self.media_failures:
            return self.media_failures.pop(0)
        data = self.files.get(key)
        if data is None:
            return MediaFailed("media_gone", is_final=True)
        if len(data) > max_bytes:
            return MediaFailed("media_too_large", is_final=True)
        return OpenedMedia(key, len(data))

    async def read_media(self, token: str, start: int, end: int) -> bytes | MediaFailed:  # noqa: D102
        return self.files[token][start:end]

    async def close_media(self, token: str) -> None:
        """Nothing is held."""
