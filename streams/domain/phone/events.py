"""What can happen to a phone: the events of `wa.internal.phone`, in the past tense, keyed by the phone.

They are stored on Kafka: fields may be added with a default, none renamed. Times are epoch seconds.
"""

from typing import Literal

import msgspec

from streams.domain.errors import Error

Priority = Literal["urgent", "normal", "bulk"]
PRIORITIES: tuple[Priority, ...] = ("urgent", "normal", "bulk")


class Stored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whatever is stored: frozen, by name, without what stands at its default."""


class SourceRecord(Stored, frozen=True):
    """A record of `wa.outbound` as it came, byte for byte: what a dead letter must give back."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def coordinates(self) -> str:
        """Where it stands in the log: `wa.outbound:3:4711`."""
        return f"{self.topic}:{self.partition}:{self.offset}"


class RequestInfo(Stored, frozen=True):
    """What was asked for, without the content, which only the sender needs."""

    id: str
    priority: Priority = "normal"
    category: str = "transactional"
    send_at_s: float = 0.0
    expires_at_s: float = 0.0
    account: str | None = None
    batch_id: str | None = None
    metadata: bytes = b""  # JSON, echoed in every status
    trace: tuple[tuple[str, bytes], ...] = ()  # traceparent and tracestate, copied to what follows
    replay_of: str | None = None  # the dead letter that this is a replay of
    replay_count: int = 0


class RequestReceived(Stored, frozen=True, tag="request_received"):
    """A valid request arrived for this phone."""

    phone: str
    request: RequestInfo
    source_record: SourceRecord
    content: bytes  # the contract's `content`, as JSON
    reply_to: str | None = None


class Sent(Stored, frozen=True, tag="sent"):
    """WhatsApp's server has the message. `at_s` is an upper bound of its arrival there."""

    at_s: float


class Failed(Stored, frozen=True, tag="failed"):
    """The attempt ended and the message surely did not go out."""

    error: Error


class Deferred(Stored, frozen=True, tag="deferred"):
    """The lane hands the release back undone. `claimed`: an attempt of this account is unsettled."""

    error: Error
    until_s: float = 0.0
    in_doubt: bool = False


class OutcomeUnknown(Stored, frozen=True, tag="outcome_unknown"):
    """Nothing can tell whether the message went out. `at_s` is when that was given up."""

    at_s: float
    error: Error


Result = Sent | Failed | Deferred | OutcomeUnknown


class Outcome(Stored, frozen=True, tag="outcome"):
    """What a sender made of a release."""

    phone: str
    id: str
    dispatch_number: int
    account: str
    whatsapp_id: str
    result: Result
    chat_id: str | None = None  # what WhatsApp answered when the number was looked up


class ReceiptSeen(Stored, frozen=True, tag="receipt_seen"):
    """The recipient's phone has the message (`delivered`), or it was `read` or `played` there."""

    phone: str
    id: str
    account: str
    whatsapp_id: str
    receipt: Literal["delivered", "read", "played"]
    at_s: float


class TimerFired(Stored, frozen=True, tag="timer_fired"):
    """The time that the phone's row waits for has come, or its turn. A stale `rev` means nothing."""

    phone: str
    timer_version: int


class ScheduleDue(Stored, frozen=True, tag="schedule_due"):
    """The `send_at` of a scheduled message has come."""

    phone: str
    id: str


class RetentionElapsed(Stored, frozen=True, tag="retention_elapsed"):
    """These settled messages, or the phone itself, may be old enough to be forgotten."""

    phone: str
    ids: tuple[str, ...] = ()


Event = RequestReceived | Outcome | ReceiptSeen | TimerFired | ScheduleDue | RetentionElapsed

_decoder = msgspec.msgpack.Decoder(Event)
_encoder = msgspec.msgpack.Encoder()


def encode(event: Event) -> bytes:
    """The event as it stands on Kafka."""
    return _encoder.encode(event)


def decode(data: bytes) -> Event:
    """The event.

    Raises:
        msgspec.DecodeError: the bytes are no event of ours.
    """
    return _decoder.decode(data)
