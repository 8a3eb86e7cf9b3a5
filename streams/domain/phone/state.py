"""The rows: one per phone, one small one per message, and index rows that hold the queue.

A phone's row carries the offset of the event that wrote it and, in its journal, all that this event
changed and caused: the row's record on the changelog is the one commit of the event, and everything
else can be done again from it. Rows are stored: fields may be added with a default, none renamed.
"""

from enum import StrEnum
from typing import Protocol

import msgspec

from streams.domain.phone.effects import Effect, PublishStatus
from streams.domain.phone.events import Priority, SourceRecord, Stored


class State(StrEnum):
    """Where a message is."""

    SCHEDULED = "scheduled"  # before its `send_at`
    WAITING = "waiting"
    DISPATCHED = "dispatched"  # with a sender
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


OPEN_STATES = frozenset({State.SCHEDULED, State.WAITING, State.DISPATCHED})
DELIVERY_STATES = (
    State.SENT,
    State.DELIVERED,
    State.READ,
    State.PLAYED,
)  # a status only moves to the right


class Message(Stored, frozen=True):
    """What is known of one request; its content and original record are kept apart until it is final."""

    id: str
    offset: int  # of the event that made it: by this a repeat is told from a replay
    seq: int = -1  # its place in its lane; -1 while it is scheduled
    priority: Priority = "normal"
    category: str = "transactional"
    state: State = State.WAITING
    generation: int = 1  # replays of its dead letter begin a new one
    attempts: int = 0  # ended ones of this life
    dispatches: int = 0  # of all lives: names each release
    deferrals: int = 0  # in a row
    queued_count: int = 0  # how often `queued` was said
    last_reason: str = ""  # the last reason said
    send_at_s: float = 0.0
    expires_at_s: float = 0.0
    not_before_s: float = 0.0
    account: str | None = None  # asked for by the caller
    pinned_to: str | None = None  # has an unsettled claim there
    in_doubt_since_s: float = 0.0
    allow_duplicate: bool = False
    batch_id: str | None = None
    metadata: bytes = b""
    trace: tuple[tuple[str, bytes], ...] = ()
    replay_count: int = 0
    source_coordinates: str = ""  # of its record on wa.outbound
    early_receipt: State | None = None  # an ack that came before the outcome
    first_failed_at_s: float = 0.0
    completed_at_s: float = 0.0
    dead_letter_id: str = ""  # the dead letter it ended in
    last_status: PublishStatus | None = None  # its last status: the answer to a repeat


class Payload(Stored, frozen=True):
    """A message's content and its original record, dropped once it is final."""

    source_record: SourceRecord
    content: bytes = b""
    reply_to: str | None = None


class PriorityQueue(Stored, frozen=True):
    """One priority's queue: index rows `head`..`tail - 1`, of which `count` still stand."""

    head: int = 0
    tail: int = 0
    count: int = 0


class InFlight(Stored, frozen=True):
    """The one message of a phone that is with a sender."""

    id: str
    account: str
    dispatch_number: int
    dispatched_at_s: float
    deadline_s: float


class Wait(Stored, frozen=True):
    """What a head of the queue waits for: a `account_busy` of an account, or that there is one (`no_account`)."""

    reason: str
    account: str | None = None  # the only one it is; None: any
    priority_rank: int = 0  # of the message: 0 urgent, 1 normal, 2 bulk


class Chat(Stored, frozen=True):
    """What WhatsApp answered last about the number. No `chat_id`: it is not on WhatsApp."""

    chat_id: str | None
    valid_until_s: float


class QueueSlot(Stored, frozen=True):
    """A change of the index: this place of this lane holds this message now, or none."""

    priority: Priority
    seq: int
    id: str | None


class Journal(Stored, frozen=True):
    """What the event at the row's offset changed beside the row, and what it caused."""

    messages: tuple[Message, ...] = ()
    removed_messages: tuple[str, ...] = ()
    slots: tuple[QueueSlot, ...] = ()
    new_payload_id: str | None = None  # the id whose payload is in the event itself
    removed_payloads: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()


class Phone(Stored, frozen=True):
    """One recipient."""

    phone: str
    offset: int = -1  # of the event that wrote the row
    timer_version: int = 0  # of what the row waits for; a wake for another one is stale
    timer_at_s: float = 0.0  # when to look again; 0: nothing waits for a time
    waits: tuple[Wait, ...] = ()  # what the heads of the queue wait for besides a time
    account: str | None = None  # the phone's own: a conversation keeps its sender
    chat: Chat | None = None
    urgent: PriorityQueue = PriorityQueue()
    normal: PriorityQueue = PriorityQueue()
    bulk: PriorityQueue = PriorityQueue()
    scheduled_count: int = 0
    bulk_skipped: int = 0  # releases since bulk last had its turn
    send_times_s: tuple[float, ...] = ()
    in_flight: InFlight | None = None
    last_active_s: float = 0.0
    is_removed: bool = False  # the row is to be removed
    journal: Journal = Journal()

    def queue(self, priority: Priority) -> PriorityQueue:
        """The queue of this priority."""
        return {"urgent": self.urgent, "normal": self.normal, "bulk": self.bulk}[priority]

    @property
    def waiting_count(self) -> int:
        """Messages that wait, scheduled ones too, the one in flight not."""
        queued_count = self.urgent.count + self.normal.count + self.bulk.count
        return queued_count + self.scheduled_count - (1 if self.in_flight else 0)


class RowReader(Protocol):
    """The rows of a partition, to be read only: a step writes nothing."""

    def message(self, phone: str, request_id: str) -> Message | None:
        """The row of this request of this phone."""
        ...

    def slot(self, phone: str, priority: Priority, seq: int) -> str | None:
        """The id of the message at this place of the lane."""
        ...


_phone_decoder = msgspec.msgpack.Decoder(Phone)
_message_decoder = msgspec.msgpack.Decoder(Message)
_payload_decoder = msgspec.msgpack.Decoder(Payload)
_encoder = msgspec.msgpack.Encoder()


def encode(row: Phone | Message | Payload) -> bytes:
    """A row as it is stored."""
    return _encoder.encode(row)


def decode_phone(data: bytes) -> Phone:
    """A phone's row."""
    return _phone_decoder.decode(data)


def decode_message(data: bytes) -> Message:
    """A message's row."""
    return _message_decoder.decode(data)


def decode_payload(data: bytes) -> Payload:
    """A message's content and original record."""
    return _payload_decoder.decode(data)
