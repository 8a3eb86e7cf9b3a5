"""What the audit keeps of each record, and what it reports. Only values: nothing here reads or judges.

A status event is kept in 42 bytes. So a message with four events costs about 0.75 kB, whatever is in it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, get_args

from streams.contract.dead_letter import DeadLetterOutcome
from streams.contract.status import Reason, Status

STATUSES: Final[tuple[Status, ...]] = get_args(Status)
REASONS: Final[tuple[Reason | None, ...]] = (None, *get_args(Reason))
_STATUS_CODES: Final = {status: code for code, status in enumerate(STATUSES)}
_REASON_CODES: Final = {reason: code for code, reason in enumerate(REASONS)}
_EVENT: Final = struct.Struct("<BBIIQqqq")


class StatusFact(NamedTuple):
    """A status event of a message. `number` is the last part of its event id: a generation, or a count of `queued`."""

    status: Status
    number: int
    partition: int
    offset: int
    at_ms: int
    digest: int  # of the whole event: two events with one digest are the same fact
    whatsapp_digest: int = 0  # 0: without a WhatsApp id
    reason: Reason | None = None

    def pack(self) -> bytes:
        """The fact in 42 bytes."""
        return _EVENT.pack(
            _STATUS_CODES[self.status],
            _REASON_CODES[self.reason],
            self.number,
            self.partition,
            self.offset,
            self.at_ms,
            self.digest,
            self.whatsapp_digest,
        )


def unpack(packed: bytes) -> Iterator[StatusFact]:
    """The facts that were packed one after the other."""
    for status, reason, number, partition, offset, at_ms, digest, whatsapp in _EVENT.iter_unpack(
        packed
    ):
        yield StatusFact(
            STATUSES[status], number, partition, offset, at_ms, digest, whatsapp, REASONS[reason]
        )


class RequestFact(NamedTuple):
    """A valid request of one message."""

    coordinates: str  # topic:partition:offset
    append_s: float
    queue: str  # priority and category: messages of one queue stay in order
    is_plain: bool  # it requires no account and no time, so its place in the order can be judged
    replay_of: str | None = None
    is_forced: bool = False


class InvalidRequestFact(NamedTuple):
    """A record that must be rejected, with what can be read of it."""

    append_s: float
    id: str
    to: str | None


class AnswerFact(NamedTuple):
    """A status event that answers one record: `rejected`, or `failed` because the program failed on it."""

    record: str
    id: str
    to: str | None
    at_s: float
    digest: int


class LetterFact(NamedTuple):
    """A dead letter."""

    record: str
    id: str  # the coordinates of the original record
    request_id: str
    failed_s: float
    outcome: DeadLetterOutcome


@dataclass(slots=True)
class MessageLog:
    """What the topics say about one request id of one recipient."""

    phone: str
    id: str
    events: bytes = b""
    requests: tuple[RequestFact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A guarantee that was broken, with the records that show it (`topic:partition:offset`)."""

    kind: str
    detail: str
    id: str
    to: str | None
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request without a final status: it waits, and nothing is wrong."""

    id: str
    to: str | None
    status: str | None  # the last one; None: no dispatcher has answered yet
    reason: str | None
    since_s: float
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what is judged. A topic is whole from a time on: its earlier records were deleted, or are not to be read."""

    now_s: float  # the broker's time, before the ends of the topics were read
    limit: int  # messages to one recipient in 60 s
    answer_timeout_s: float  # a request without any event is lost after this time
    idempotency_window_s: float  # after this time the same id may be a new message
    requests_from_s: float = 0.0  # 0: the topic is whole
    statuses_from_s: float = 0.0
    letters_from_s: float = 0.0


@dataclass(slots=True)
class Report:
    """What the audit has to say."""

    requests: int = 0
    messages: int = 0
    events: int = 0
    dead_letters: int = 0
    violations: list[Violation] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    unjudged: dict[str, int] = field(default_factory=dict)  # reason → how often

    def leave_unjudged(self, reason: str) -> None:
        """Count what cannot be judged."""
        self.unjudged[reason] = self.unjudged.get(reason, 0) + 1
