"""What the effects of one row need besides themselves: they name messages by id alone. Reads rows, writes nothing."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from msgspec.structs import replace

from streams.contract.errors import PartialRequest
from streams.contract.headers import TraceContext
from streams.dispatch.phone_store import PhoneStore
from streams.domain.phone.effects import Dispatch, ForwardRequest, PublishDeadLetter
from streams.domain.phone.events import (
    CancelRequested,
    Event,
    RequestInfo,
    RequestReceived,
    SourceRecord,
)
from streams.domain.phone.state import Message, Payload, Phone

# What holds the caller's own fields, which every status repeats.
EchoSource: TypeAlias = Message | RequestInfo | PartialRequest

# `already_published`: a journal that is published again after a crash, and whose own completion removed
# the payload. A payload is removed only after its effects are published, so nothing is missing.
# `lost`: any other case. The payload should be there: a bug, or lost data.
MissingCase: TypeAlias = Literal["already_published", "lost"]


@dataclass(frozen=True, slots=True)
class MissingPayload:
    """An effect whose payload is missing. It holds no phone number: it may be logged."""

    effect: str  # the name of its type
    case: MissingCase


class EffectContext:
    """What the effects of one row need besides themselves: they name messages by id alone."""

    def __init__(self, row: Phone, event: Event, store: PhoneStore, is_republished: bool) -> None:
        self.phone = row.phone
        self._row_offset = row.offset
        self._is_republished = is_republished
        self._removed_payloads = frozenset(row.journal.removed_payloads)
        self._new_payload_id = row.journal.new_payload_id
        self._event = event
        self._store = store
        self.missing_payloads: list[MissingPayload] = []
        self._changed_messages = {message.id: message for message in row.journal.messages}

    def get_echo_source(self, request_id: str) -> EchoSource:
        """The message, or the request that has no row because the queue was full."""
        message = self._changed_messages.get(request_id)
        message = message or self._store.get_message(self.phone, request_id)
        return message or self._get_request(request_id) or PartialRequest(trace=self._get_trace())

    def get_payload(self, request_id: str) -> Payload | None:
        """The message's content and original record, unless it is missing."""
        return self._store.get_payload(self.phone, request_id)

    def add_missing(self, effect: Dispatch | PublishDeadLetter | ForwardRequest) -> MissingCase:
        """Note that this effect has no payload; returns why."""
        is_expected = self._is_republished and effect.id in self._removed_payloads
        case: MissingCase = "already_published" if is_expected else "lost"
        self.missing_payloads.append(MissingPayload(type(effect).__name__, case))
        return case

    def get_source_record(self, effect: PublishDeadLetter) -> SourceRecord | None:
        """The original record: the event's own, else that of the message, unless it is missing."""
        event = self._event
        if isinstance(event, RequestReceived | CancelRequested):
            record = event.source_record
            if record is not None and record.coordinates == effect.dead_letter_id:
                return record
        payload = self.get_payload(effect.id)
        return payload.source_record if payload else None

    def get_forwarded_request(self, effect: ForwardRequest) -> RequestReceived | None:
        """The request as it goes on to the other number; None: it was published before a crash."""
        if not effect.is_stored:
            assert isinstance(self._event, RequestReceived), "only a request is forwarded at once"
            return replace(self._event, phone=effect.phone, forwarding=effect.forwarding)
        payload = self.get_payload(effect.id)
        if payload is None:
            if self.add_missing(effect) == "already_published":
                return None
            payload = self._make_lost_payload()
        return RequestReceived(
            phone=effect.phone,
            request=effect.request,
            source_record=payload.source_record,
            content=payload.content,
            reply_to=payload.reply_to,
            forwarding=effect.forwarding,
        )

    def _make_lost_payload(self) -> Payload:
        """No sender can read it, so the message fails, and its caller learns of it."""
        record = SourceRecord(
            topic="lost", partition=self._store.partition, offset=self._row_offset
        )
        return Payload(source_record=record)

    def get_requested_phone(self, request_id: str, message: EchoSource) -> str | None:
        """The number that the request names: this one (a repeat may use another), else the message's."""
        event = self._event
        if isinstance(event, RequestReceived) and event.request.id == request_id:
            return event.forwarding.requested_phone if event.forwarding else None
        forwarding = message.forwarding if isinstance(message, Message) else None
        return forwarding.requested_phone if forwarding else None

    def get_template(self, request_id: str) -> str | None:
        """The template that the message was rendered from, while the event that made it is applied.

        A repeat is answered with the status of that message, whatever template the repeat names.
        """
        if self._new_payload_id != request_id:
            return None
        request = self._get_request(request_id)
        return (request.template or None) if request is not None else None

    def get_account(self, request_id: str) -> str | None:
        """The account that had the message, if any had."""
        message = self._changed_messages.get(request_id)
        return message.last_status.account if message and message.last_status else None

    def _get_trace(self) -> TraceContext:
        """That of a cancel: nothing else has effects without a message or a request."""
        return self._event.trace if isinstance(self._event, CancelRequested) else ()

    def _get_request(self, request_id: str) -> RequestInfo | None:
        event = self._event
        if isinstance(event, RequestReceived) and event.request.id == request_id:
            return event.request
        return None
