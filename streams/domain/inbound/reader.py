"""Decides which rows of WhatsApp Web's messages are read next, and up to which everything is published. Pure.

The only source of messages is WhatsApp Web's own store: an event of the page says only that there is something to
read. So nothing is missed while nobody listens, and a flood waits on the disk and not in memory.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from msgspec.structs import replace

from streams.domain.inbound.position import Position, restarted

MAX_UNFINISHED: Final = 500  # rows that are read and not published yet
MAX_PENDING: Final = 100
MAX_PENDING_S: Final = 86_400.0
_MAX_REMEMBERED: Final = 5000


class Message(Protocol):
    """What is decided on of a message. `is_pending`: its content is not there yet, and may come later."""

    @property
    def row(self) -> int:
        """Its number."""
        ...

    @property
    def key(self) -> str:
        """Its name in the store."""
        ...

    @property
    def at_s(self) -> float:
        """When WhatsApp's server received it."""
        ...

    @property
    def is_pending(self) -> bool:
        """Whether its content is not there yet."""
        ...


M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read rows after `row`, if the message `key` is still there, that are not older than `since_s`.

    `pending`: keys to look up as well.
    """

    row: int
    key: str
    since_s: float
    pending: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadBatch(Generic[M]):
    """What was read: messages in the order of their rows, the last row that was looked at, and the pending ones.

    `is_anchored` is false if the message of the request is not in its row any more; then nothing was read.
    """

    messages: Sequence[M]
    last_row: int
    last_key: str
    pending: Sequence[M] = ()
    is_anchored: bool = True


@dataclass(slots=True)
class _Entry:
    """A row that was read. `at_s` is 0.0 for one that is not a received message."""

    row: int
    key: str
    at_s: float = 0.0
    is_pending: bool = False
    is_finished: bool = False


@dataclass(slots=True)
class _Cursor:
    """Where the next row is read."""

    row: int
    key: str
    must_restart: bool = field(default=False)


class Reader(Generic[M]):
    """Reads ahead of what is published; `position` may be stored at any time."""

    def __init__(self, position: Position) -> None:
        self._position = position
        self._cursor = _Cursor(position.row, position.key)
        self._entries: deque[_Entry] = deque()
        self._pending: OrderedDict[str, None] = OrderedDict.fromkeys(position.pending)
        self._resolving: set[str] = set()
        self._published: OrderedDict[str, None] = OrderedDict()

    @property
    def position(self) -> Position:
        """Everything up to it is published."""
        return replace(self._position, pending=tuple(self._pending))

    @property
    def unfinished(self) -> int:
        """How many rows are read and not published yet."""
        return len(self._entries) + len(self._resolving)

    def next_read(self) -> ReadRequest | None:
        """What to read now; None while something must be finished first."""
        if self._cursor.must_restart and not self.unfinished:
            self._position = restarted(self.position)
            self._cursor = _Cursor(self._position.row, self._position.key)
        if self._cursor.must_restart or self.unfinished >= MAX_UNFINISHED:
            return None
        pending = tuple(key for key in self._pending if key not in self._resolving)
        return ReadRequest(self._cursor.row, self._cursor.key, self._position.since_s, pending)

    def accept(self, request: ReadRequest, batch: ReadBatch[M]) -> list[M]:
        """Returns the messages to publish, those of one chat in this order. Call `finish` after each."""
        if not batch.is_anchored:
            self._cursor.must_restart = True
            return []
        resolved = self._resolve(request, batch.pending)
        fresh = [message for message in batch.messages if self._add(message)]
        if batch.last_row > self._cursor.row:
            if not self._entries or self._entries[-1].row != batch.last_row:
                self._entries.append(_Entry(batch.last_row, batch.last_key, is_finished=True))
            self._cursor = _Cursor(batch.last_row, batch.last_key)
        self._advance()
        return [*resolved, *fresh]

    def finish(self, message: M) -> None:
        """The message is published."""
        self._remember(message.key)
        if message.key in self._resolving:
            self._resolving.discard(message.key)
            self._pending.pop(message.key, None)
            return
        for entry in self._entries:
            if entry.row == message.row:
                entry.is_finished = True
        self._advance()

    # -- rows

    def _add(self, message: M) -> bool:
        """Note a row. True if its message is to be published now."""
        is_known = message.key in self._published or message.key in self._pending
        is_kept_pending = message.is_pending and len(self._pending) < MAX_PENDING
        is_skipped = message.at_s < self._position.since_s or is_known
        entry = _Entry(message.row, message.key, message.at_s)
        entry.is_pending = is_kept_pending and not is_skipped
        entry.is_finished = is_skipped or is_kept_pending
        self._entries.append(entry)
        if entry.is_pending:
            self._pending[message.key] = None
        return not entry.is_finished

    def _advance(self) -> None:
        """Move the position over the rows that are finished."""
        position = self._position
        while self._entries and self._entries[0].is_finished:
            entry = self._entries.popleft()
            at_s = max(position.at_s, entry.at_s)
            position = replace(position, row=entry.row, key=entry.key, at_s=at_s)
        self._position = position

    def _remember(self, key: str) -> None:
        self._published[key] = None
        if len(self._published) > _MAX_REMEMBERED:
            self._published.popitem(last=False)

    # -- messages whose content was not there

    def _resolve(self, request: ReadRequest, messages: Sequence[M]) -> list[M]:
        """Those to publish now: their content is there, or nobody waits for it any longer."""
        present = {message.key for message in messages}
        for key in request.pending:
            if key not in present:
                self._pending.pop(key, None)  # deleted
        resolved = [message for message in messages if self._is_resolved(message)]
        self._resolving |= {message.key for message in resolved}
        return resolved

    def _is_resolved(self, message: M) -> bool:
        age_s = self._position.at_s - message.at_s
        is_open = message.key in self._pending and message.key not in self._resolving
        return is_open and (not message.is_pending or age_s > MAX_PENDING_S)
