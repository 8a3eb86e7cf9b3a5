"""The rows: one per phone, a small one per message, and index rows that hold the queues.

A phone's row carries the offset of the event that wrote it. Its journal holds everything that this
event changed and caused. So the row's record on the changelog is the one commit of the event, and
everything else can be done again from it. Rows are stored: a field may be added with a default, and no
field may be renamed.
"""

from enum import StrEnum
from typing import Final, Literal, TypedDict

import msgspec

from streams.domain.consent.state import Consent
from streams.domain.conversation import Conversation
from streams.domain.phone import events
from streams.domain.phone.effects import Effect, PublishStatus, QueuedReason
from streams.domain.phone.events import Forwarding, Priority, ReceiptKind, SourceRecord
from streams.domain.phone.values.forgetting import Forgetting, Forgotten, KeptOptOut
from streams.domain.phone.values.queue_rows import Parked, PriorityQueue, QueueSlot, Wait
from streams.domain.stored import Codec, Stored


class State(StrEnum):
    """Where a message is in its life; which state may follow which: lifecycle.py."""

    SCHEDULED = "scheduled"  # before its `send_at`
    WAITING = "waiting"
    DISPATCHED = "dispatched"  # with a sender
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"
    REJECTED = "rejected"  # after it was accepted: the recipient has opted out
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


OPEN_STATES: Final = frozenset({State.SCHEDULED, State.WAITING, State.DISPATCHED})
# A status only moves to the right.
DELIVERY_STATES: Final = (State.SENT, State.DELIVERED, State.READ, State.PLAYED)


class Message(Stored, frozen=True):
    """One request. Its content and original record are in its payload until it is complete."""

    id: str
    offset: int  # of the event that made the row
    # Of the event that accepted its first generation: its identity, which a reused id does not have. -1: not known.
    accepted_offset: int = -1
    seq: int = -1  # its slot in its queue; -1 if it is in none
    arrival: int = (
        0  # its place among all messages of the phone, in the order in which they began to wait
    )
    priority: Priority = "normal"
    category: str = "transactional"
    state: State = State.WAITING
    generation: int = 1  # each replay of its dead letter begins a new one
    attempts: int = 0  # completed ones of this generation
    dispatches: int = 0  # of all generations: numbers each dispatch
    deferrals: int = 0  # in a row
    early_wakes: int = 0  # how often its expiry was looked at too early
    queued_count: int = 0  # how often `queued` was published
    last_reason: QueuedReason | Literal[""] = ""  # of the last `queued`
    accepted_at_s: float = 0.0
    send_at_s: float = 0.0
    expires_at_s: float = 0.0
    not_before_s: float = 0.0
    account: str | None = None  # requested by the caller
    pinned_to: str | None = None  # the account whose attempt is in doubt
    in_doubt_since_s: float = 0.0
    is_claimed: bool = False  # counts only in doubt (was_claimed)
    held_back_until_s: float = 0.0  # in doubt, and its account may not submit it again before then
    refusals: int = 0  # by WhatsApp's server, after which it was handed back
    unanswered: int = 0  # dispatches in a row that a sender left without an outcome
    allow_duplicate: bool = False  # a person allowed it although an earlier outcome is unknown
    may_have_arrived: bool = False  # in an earlier generation, so nothing says that it was not sent
    is_withdrawn: bool = False  # its batch was cancelled while a sender had it
    batch_id: str | None = None
    members: tuple[events.BatchMember, ...] = ()  # its places in batches
    metadata: bytes = b""
    trace: tuple[tuple[str, bytes], ...] = ()
    replay_of: str | None = None  # the dead letter of which this generation is a replay
    replay_count: int = 0
    source_coordinates: str = ""  # of its record on wa.outbound
    early_receipt: ReceiptKind | None = None  # a receipt that came before the outcome
    changed_s: float = 0.0  # when the row was written
    first_failed_at_s: float = 0.0
    completed_at_s: float = 0.0
    dead_letter_id: str = ""  # the dead letter in which it ended
    last_status: PublishStatus | None = None  # the answer to a repeat of the request
    forwarding: Forwarding | None = None  # it named another number of this recipient
    change: events.MessageChange | None = None  # it edits or revokes an earlier message
    forgotten_at_s: float = 0.0  # it is what is left of a forgotten message (forgetting.py)

    @property
    def wake_at_s(self) -> float:
        """When a `ScheduleDue` is to come for it: at its `send_at`, else at its `expires_at`; 0: never."""
        if self.state is State.SCHEDULED:
            return self.send_at_s
        return self.expires_at_s if self.state in OPEN_STATES else 0.0

    @property
    def was_claimed(self) -> bool:
        """Whether its attempt is in doubt, and was claimed: that its claim is missing then proves nothing."""
        return self.pinned_to is not None and self.is_claimed

    @property
    def is_perhaps_shown(self) -> bool:
        """Whether it has ended, and its recipient has it or may have it."""
        return self.state is State.UNKNOWN or self.state in DELIVERY_STATES

    @property
    def is_marketing(self) -> bool:
        """Whether opt-outs and quiet hours hold it back."""
        return self.category == "marketing"

    @property
    def required_account(self) -> str | None:
        """The only account that may send it: that of an attempt in doubt, or the caller's; None: any."""
        return self.pinned_to or self.account

    @property
    def queue_name(self) -> str:
        """The queue that it waits in. What may use only one account never stands before what may use others, and
        what waits for the end of quiet hours never before what does not.
        """
        name = f"{self.priority}/marketing" if self.is_marketing else self.priority
        return name if self.account is None else f"{name}@{self.account}"


class Payload(Stored, frozen=True):
    """A message's content and its original record, removed once it is complete."""

    source_record: SourceRecord
    content: bytes = b""
    reply_to: str | None = None


class InFlight(Stored, frozen=True):
    """The one message of a phone that a sender has.

    Its sender claims it before `deadline_s`, counted from the command's own append time, or never. Once
    `overdue_since_s` is stored, the command is not published again (flights.py).
    """

    id: str
    account: str
    dispatch_number: int
    since_s: float = 0.0
    deadline_s: float = 0.0
    overdue_since_s: float = 0.0
    is_in_doubt: bool = False  # it was dispatched to be reconciled
    has_chat: bool = False  # with the answer of an earlier look-up, so its sender makes none
    allow_duplicate: bool = False
    accepted_offset: int = -1  # of the message


class Closure(Stored, frozen=True):
    """Until `until_s` an account may not write to this recipient, unless it may open new chats again.

    Even then it is not asked before `retry_at_s`: its record may be out of date.
    """

    until_s: float
    retry_at_s: float
    is_by_group: bool = False  # it cannot write to this group


class Chat(Stored, frozen=True):
    """WhatsApp's last answer about the number. Without `chat_id`: it is not on WhatsApp."""

    chat_id: str | None
    valid_until_s: float


class Alias(Stored, frozen=True):
    """WhatsApp's chat of this number has another number: requests are forwarded to that one."""

    phone: str
    learned_at_s: float


class Journal(Stored, frozen=True):
    """What the event at the row's offset changed besides the row, and what it caused."""

    messages: tuple[Message, ...] = ()
    removed_messages: tuple[str, ...] = ()
    slots: tuple[QueueSlot, ...] = ()
    new_payload_id: str | None = None  # the message whose payload is in the event itself
    removed_payloads: tuple[str, ...] = ()
    consent: Consent | None = None  # what was decided; the row of the consent outlives this one
    is_consent_removed: bool = False
    kept_opt_out: KeptOptOut | None = None  # the opt-out of a forgotten recipient has changed
    effects: tuple[Effect, ...] = ()
    turns: tuple[str, ...] = ()  # other phones whose rows were written too, as they got a place


class Phone(Stored, frozen=True):
    """One recipient."""

    phone: str
    offset: int = -1  # of the event that wrote the row
    timer_version: int = 0  # of what the row waits for; a timer of another version is stale
    timer_at_s: float = 0.0  # when the phone is to be woken; 0: nothing waits for a time
    waits: tuple[Wait, ...] = ()  # what the heads of the queues wait for besides a time
    quiet_until_s: float = 0.0  # marketing messages wait until then for the end of quiet hours
    account: str | None = None  # the last one used or written to: a conversation keeps it
    conversation: Conversation | None = None
    closures: dict[str, Closure] = msgspec.field(default_factory=dict[str, Closure])  # by account
    chat: Chat | None = None
    alias: Alias | None = None
    queues: dict[str, PriorityQueue] = msgspec.field(default_factory=dict[str, PriorityQueue])
    parked: tuple[Parked, ...] = ()
    last_arrival: int = 0
    scheduled_count: int = 0
    bulk_skipped: int = 0  # dispatches since bulk was served last
    send_times_s: tuple[float, ...] = ()
    in_flight: InFlight | None = None
    recent_cancels: tuple[str, ...] = ()  # records of cancels that were applied, the newest last
    last_active_s: float = 0.0
    other_numbers: tuple[str, ...] = ()  # of the same chat, which have forwarded something to it
    forgetting: Forgetting | None = None  # it is being forgotten
    forgotten: Forgotten | None = None  # it was, a short time ago
    is_removed: bool = False  # the row is to be removed
    journal: Journal = Journal()

    def queue(self, name: str) -> PriorityQueue:
        """The queue of this name; it is empty if the row has none."""
        return self.queues.get(name, PriorityQueue())

    def is_parked(self, request_id: str) -> bool:
        """Whether this message stands alone, in no queue."""
        return any(parked.id == request_id for parked in self.parked)

    @property
    def waiting_count(self) -> int:
        """Messages that wait, scheduled ones included, the one in flight excluded."""
        queued_count = sum(queue.count for queue in self.queues.values()) + len(self.parked)
        return queued_count + self.scheduled_count - (1 if self.in_flight else 0)


class PhoneChanges(TypedDict, total=False):
    """The fields of a phone's row that are changed by name; queues have methods of their own."""

    timer_version: int
    timer_at_s: float
    waits: tuple[Wait, ...]
    quiet_until_s: float
    account: str | None
    conversation: Conversation | None
    closures: dict[str, Closure]
    chat: Chat | None
    alias: Alias | None
    other_numbers: tuple[str, ...]
    forgetting: Forgetting | None
    forgotten: Forgotten | None
    scheduled_count: int
    last_arrival: int
    recent_cancels: tuple[str, ...]
    send_times_s: tuple[float, ...]
    in_flight: InFlight | None
    is_removed: bool


_phones: Codec[Phone] = Codec(Phone)
_messages: Codec[Message] = Codec(Message)
_payloads: Codec[Payload] = Codec(Payload)


def encode_phone(row: Phone) -> bytes:
    """A phone's row as it is stored."""
    return _phones.encode(row)


def encode_message(row: Message) -> bytes:
    """A message's row as it is stored."""
    return _messages.encode(row)


def encode_payload(row: Payload) -> bytes:
    """A payload as it is stored."""
    return _payloads.encode(row)


def decode_phone(data: bytes) -> Phone:
    """A phone's row."""
    return _phones.decode(data)


def decode_message(data: bytes) -> Message:
    """A message's row."""
    return _messages.decode(data)


def decode_payload(data: bytes) -> Payload:
    """A message's content and original record."""
    return _payloads.decode(data)
