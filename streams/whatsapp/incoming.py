"""What the driver reads of messages to the account: a Protocol, and values with bounded texts.

Kafka, Playwright and WhatsApp Web's own names may not appear here. What a stranger wrote is data, never a name of a
file or a part of a log line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from streams.domain.inbound.reader import ReadBatch, ReadRequest

MAX_TEXT: Final = 65_536  # characters: WhatsApp's own limit for a text
MAX_NAME: Final = 1024
MAX_CONTACTS: Final = 20
MAX_OPTIONS: Final = 20


@dataclass(frozen=True, slots=True)
class IncomingHint:
    """There is something to read: messages, or changes of messages."""

    is_change: bool = False


@dataclass(frozen=True, slots=True)
class IncomingMedia:
    """A file that can be downloaded, as the writer's phone describes it."""

    mime: str | None = None
    filename: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A message, or a change of one, in the words of the contract. `content` has the fields of its type.

    `row` and `key` are its number and name in the store; a change has the key of its message, and row 0. `phone` is
    the writer's E.164 number; None where WhatsApp hides it. `is_pending`: its content is not there yet.
    """

    row: int
    key: str
    chat_id: str
    whatsapp_id: str
    type: str
    at_s: float
    phone: str | None = None
    group: str | None = None
    name: str | None = None
    content: Mapping[str, object] = field(default_factory=dict[str, object])
    media: IncomingMedia | None = None
    is_pending: bool = False
    is_truncated: bool = False


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Edits, revokes and reactions. `next_row`: older rows are to be looked at from here; None: there are none."""

    changes: tuple[IncomingMessage, ...]
    next_row: int | None = None


@dataclass(frozen=True, slots=True)
class OpenedMedia:
    """A file that the page has downloaded. `token` names it until it is closed."""

    token: str
    size: int


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """There is no file. `is_final`: another attempt would fail in the same way."""

    detail: str
    is_final: bool = False


class IncomingStore(Protocol):
    """The messages to the account in the page's store. No call raises."""

    async def read_messages(self, request: ReadRequest) -> ReadBatch[IncomingMessage] | None:
        """Read messages to the account from the page's store; None while the page cannot answer."""
        ...

    async def read_changes(
        self, since_s: float, *, after_row: int, before_row: int | None = None
    ) -> ChangeBatch | None:
        """Edits, revokes and reactions since then; None while the page cannot answer.

        Those of messages after `after_row`, a part at a time, from `before_row` on.
        """
        ...

    async def open_media(self, key: str, max_bytes: int) -> OpenedMedia | MediaFailed:
        """Download the file of a message into the page. Close it afterwards."""
        ...

    async def read_media(self, token: str, start: int, end: int) -> bytes | MediaFailed:
        """These bytes of an open file."""
        ...

    async def close_media(self, token: str) -> None:
        """Let the page free an open file."""
        ...
