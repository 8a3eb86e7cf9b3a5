"""What can happen to a phone: the events of the phone log (`wa.internal.phone`), keyed by the phone.

Events are named in the past tense. They are stored on Kafka: a field may be added with a default, and
no field may be renamed. Times are epoch seconds.
"""

from typing import Literal, TypeAlias

from streams.domain.consent.state import Consent, ConsentStatus
from streams.domain.errors import Error
from streams.domain.phone.values.forgetting import ForgetContinued, ForgetRequested
from streams.domain.phone.values.queue_rows import Priority
from streams.domain.phone.values.source_record import BatchMember, MessageChange, SourceRecord
from streams.domain.stored import Codec, Stored

ReceiptKind: TypeAlias = Literal["sent", "delivered", "read", "played"]


class RequestInfo(Stored, frozen=True):
    """What the caller requested, without the content, which only the sender needs."""

    id: str
    priority: Priority = "normal"
    category: str = "transactional"
    send_at_s: float = 0.0
    expires_at_s: float = 0.0
    account: str | None = None
    batch_id: str | None = None
    metadata: bytes = b""  # JSON, repeated in every status
    trace: tuple[
        tuple[str, bytes], ...
    ] = ()  # traceparent and tracestate, copied to every record that follows
    replay_of: str | None = None  # the dead letter of which this is a replay
    replay_count: int = 0
    allow_duplicate: bool = False  # a person replays it although the message may have arrived
    members: tuple[BatchMember, ...] = ()  # its places in batches
    change: MessageChange | None = None  # it is not a message, but changes one
    template: str = ""  # name/language of the template that it was rendered from


class Forwarding(Stored, frozen=True):
    """How a request came to its recipient: it named another number of the same chat, an alias."""

    requested_phone: str  # the number that the request names
    path: tuple[str, ...]  # the aliases that forwarded it, in this order
    learned_at_s: float  # when the newest of them learned the number of its chat
    is_accepted: bool = False  # `accepted` is published
    attempts: int = 0
    first_failed_at_s: float = 0.0
    not_before_s: float = 0.0
    send_times_s: tuple[float, ...] = ()  # of the last alias: they count for the same recipient


class RequestReceived(Stored, frozen=True, tag="request_received"):
    """A request arrived for this phone. It is valid, but perhaps its template is not."""

    phone: str
    request: RequestInfo
    source_record: SourceRecord
    content: bytes  # the contract's `content`, as JSON
    reply_to: str | None = None
    forwarding: Forwarding | None = None
    refusal: Error | None = (
        None  # why it cannot be accepted, unless it is a repeat; it has no content then
    )


class CancelRequested(Stored, frozen=True, tag="cancel_requested"):
    """A caller withdraws one message of this phone, or all that wait (`id` None)."""

    phone: str
    id: str | None = None
    cancel_id: str = ""  # a cancel that can cancel nothing is answered under this id
    source_record: SourceRecord | None = (
        None  # None: its batch is cancelled, and nobody is answered
    )
    trace: tuple[tuple[str, bytes], ...] = ()
    before_offset: int = -1  # only what was accepted before this event; -1: before this one
    is_continued: bool = False  # it has cancelled something already
    hops: int = 0  # aliases that forwarded it


class Sent(Stored, frozen=True, tag="sent"):
    """WhatsApp's server has the message. It arrived there at `at_s` or before."""

    at_s: float


class Failed(Stored, frozen=True, tag="failed"):
    """The attempt is over, and the message certainly did not go out."""

    error: Error


class Deferred(Stored, frozen=True, tag="deferred"):
    """The sender hands the dispatch back. `in_doubt`: an attempt of this account may have sent it."""

    error: Error
    until_s: float = 0.0
    in_doubt: bool = False
    is_held_back: bool = (
        False  # in doubt, but not on its way: it may be submitted again at `until_s`
    )
    is_refused: bool = False  # WhatsApp's server refused this message as invalid
    is_unanswered: bool = False  # its sender is alive, and did not answer
    # In doubt only because no claim could be read: if its account has none, nothing was submitted.
    is_unread: bool = False


class Moved(Stored, frozen=True, tag="moved"):
    """Nothing was submitted: WhatsApp's chat of this recipient has another number, which identifies it."""

    phone: str


class OutcomeUnknown(Stored, frozen=True, tag="outcome_unknown"):
    """Nothing can tell whether the message went out. At `at_s` the search for it was given up."""

    at_s: float
    error: Error


Result: TypeAlias = Sent | Failed | Deferred | Moved | OutcomeUnknown


class Outcome(Stored, frozen=True, tag="outcome"):
    """What a sender made of a dispatch, or what its claims say if no sender answers."""

    phone: str
    id: str
    dispatch_number: int
    account: str
    whatsapp_id: str
    result: Result
    chat_id: str | None = None  # what WhatsApp answered when the number was looked up
    # Known if its claim was forgotten: it is only of the message that was accepted with the event at this offset.
    accepted_offset: int = -1


class ReceiptSeen(Stored, frozen=True, tag="receipt_seen"):
    """WhatsApp has the message, later than its attempt could wait for it (`sent`), or the recipient's phone
    has it (`delivered`), or it was `read` or `played` there.
    """

    phone: str
    id: str
    account: str
    whatsapp_id: str
    receipt: ReceiptKind
    at_s: float


class InboundSeen(Stored, frozen=True, tag="inbound_seen"):
    """The person behind this phone has written to an account. Published at least once, after `wa.inbound` has it.

    A group's messages are not among these. `text` is None if there is none or if it is long: it serves only for
    opt-out and opt-in words.
    """

    phone: str
    account: str
    whatsapp_id: str
    text: str | None = None
    at_s: float = 0.0  # WhatsApp's time of the message; 0: not known
    forwarding: Forwarding | None = None  # it was written by another number of the same chat


class ConsentRequested(Stored, frozen=True, tag="consent_requested"):
    """A person sets for this phone whether it gets marketing messages."""

    phone: str
    consent: ConsentStatus
    request_id: str  # of the request; the record of the consent has it as its answer
    source_record: SourceRecord
    trace: tuple[tuple[str, bytes], ...] = ()
    forwarding: Forwarding | None = None


class ConsentMoved(Stored, frozen=True, tag="consent_moved"):
    """This was decided for another number of the same chat."""

    phone: str
    consent: Consent
    forwarding: Forwarding


class OptOutContinued(Stored, frozen=True, tag="opt_out_continued"):
    """The phone opted out with more marketing messages waiting than one event ends: those accepted before this."""

    phone: str
    before_offset: int


class FlightOverdue(Stored, frozen=True, tag="flight_overdue"):
    """The dispatch in flight has no outcome although its deadline is over."""

    phone: str
    id: str
    dispatch_number: int
    whatsapp_id: str


class TimerFired(Stored, frozen=True, tag="timer_fired"):
    """The time that the phone waits for has come, or its turn. A stale `timer_version` is ignored."""

    phone: str
    timer_version: int


class ScheduleDue(Stored, frozen=True, tag="schedule_due"):
    """The `send_at` of a scheduled message has come, or the `expires_at` of a message that waits."""

    phone: str
    id: str


class RetentionElapsed(Stored, frozen=True, tag="retention_elapsed"):
    """These completed messages, or the phone itself, may be old enough to be removed."""

    phone: str
    ids: tuple[str, ...] = ()


Event: TypeAlias = (
    RequestReceived
    | CancelRequested
    | Outcome
    | ReceiptSeen
    | InboundSeen
    | ConsentRequested
    | ConsentMoved
    | OptOutContinued
    | ForgetRequested
    | ForgetContinued
    | FlightOverdue
    | TimerFired
    | ScheduleDue
    | RetentionElapsed
)

_codec: Codec[Event] = Codec(Event)


def encode(event: Event) -> bytes:
    """The event as a record's value."""
    return _codec.encode(event)


def decode(data: bytes) -> Event:
    """The event in a record of the phone log.

    Raises:
        msgspec.DecodeError: the bytes are not such an event.
    """
    return _codec.decode(data)
