"""What follows from a row or a request, as records for `wa.status`, `wa.dlq` and the send topics.

This file only puts into the contract's form what was decided elsewhere. It reads rows and writes
nothing. An effect whose payload is missing gives no record; it is returned as a `MissingPayload`, never
dropped in silence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from streams.contract import dead_letter, errors, status
from streams.contract.dead_letter import DeadLetter
from streams.contract.errors import ErrorInfo, PartialRequest
from streams.contract.headers import TraceContext
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import OutgoingRecord
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, Effect, PublishDeadLetter, PublishStatus
from streams.domain.phone.events import Event, RequestInfo, RequestReceived, SourceRecord
from streams.domain.phone.state import Message, Payload, Phone
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand

# What holds the caller's own fields, which every status repeats.
EchoSource: TypeAlias = Message | RequestInfo | PartialRequest

# `already_published`: a journal that is published again after a crash, and whose own completion removed
# the payload. A payload is removed only after its effects are published, so nothing is missing.
# `lost`: any other case. The payload should be there: a bug, or lost data.
MissingCase: TypeAlias = Literal["already_published", "lost"]


@dataclass(frozen=True, slots=True)
class MissingPayload:
    """An effect for which nothing could be published. It holds no phone number: it may be logged."""

    effect: str  # the name of its type
    case: MissingCase


@dataclass(frozen=True, slots=True)
class MappedRow:
    """The records that follow from a row, in order, and what is missing among them."""

    records: list[OutgoingRecord]
    missing_payloads: list[MissingPayload]


class RecordMapper:
    """Knows the topics; `send_topic_for` names the send topic of an account."""

    def __init__(
        self, status_topic: str, dlq_topic: str, send_topic_for: Callable[[str], str]
    ) -> None:
        self._status_topic = status_topic
        self._dlq_topic = dlq_topic
        self._send_topic_for = send_topic_for

    # -- effects of a row

    def map_row(
        self, row: Phone, event: Event, store: PhoneStore, *, is_republished: bool
    ) -> MappedRow:
        """What the event that wrote this row caused. The row is durable already."""
        context = _EffectContext(row, event, store, is_republished)
        mapped = MappedRow([], [])
        for effect in row.journal.effects:
            match self._map_effect(effect, context):
                case MissingPayload() as missing:
                    mapped.missing_payloads.append(missing)
                case record:
                    mapped.records.append(record)
        return mapped

    def _map_effect(
        self, effect: Effect, context: "_EffectContext"
    ) -> OutgoingRecord | MissingPayload:
        match effect:
            case PublishStatus():
                return self._map_status(context.phone, effect, context.get_echo_source(effect.id))
            case Dispatch():
                payload = context.get_payload(effect.id)
                if payload is None:
                    return context.describe_missing(effect)
                return self._map_dispatch(context, effect, payload)
            case PublishDeadLetter():
                record = context.get_source_record(effect)
                if record is None:
                    return context.describe_missing(effect)
                return self._map_dead_letter(context.get_account(effect.id), effect, record)

    def _map_status(
        self, phone: str, effect: PublishStatus, echo_source: EchoSource
    ) -> OutgoingRecord:
        event = status.make(
            id=effect.id,
            status=effect.status,
            event_id_suffix=effect.event_id_suffix,
            at_s=effect.at_s,
            to=phone,
            account=effect.account,
            whatsapp_id=effect.whatsapp_id,
            attempt=effect.attempt,
            reason=effect.reason,
            due_at_s=effect.due_at_s,
            queue_position=effect.queue_position,
            error=_to_error_info(effect.error) if effect.error else None,
            batch_id=echo_source.batch_id,
            metadata=echo_source.metadata,
        )
        return self._make_status_record(event, phone.encode(), echo_source.trace)

    def _map_dispatch(
        self, context: "_EffectContext", effect: Dispatch, payload: Payload
    ) -> OutgoingRecord:
        send_command = SendCommand(
            phone=context.phone,
            id=effect.id,
            dispatch_number=effect.dispatch_number,
            account=effect.account,
            timeout_s=effect.timeout_s,
            expires_at_s=effect.expires_at_s,
            content=payload.content,
            reply_to=payload.reply_to,
            chat_id=effect.chat_id,
            allow_duplicate=effect.allow_duplicate,
            trace=context.get_echo_source(effect.id).trace,
        )
        key = context.phone.encode()
        return OutgoingRecord(
            self._send_topic_for(effect.account),
            command.encode(send_command),
            key=key,
            headers=send_command.trace,
        )

    def _map_dead_letter(
        self, account: str | None, effect: PublishDeadLetter, record: SourceRecord
    ) -> OutgoingRecord:
        details = dead_letter.DeadLetterInfo(
            id=effect.dead_letter_id,
            reason=effect.error.code,
            error_class=_get_error_class(effect.error),
            message=_format_error(effect.error),
            attempts=effect.attempts,
            first_failed_at=format_rfc3339(effect.first_failed_at_s),
            last_failed_at=format_rfc3339(effect.last_failed_at_s),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp_ms,
            outcome=effect.outcome,
            request_id=effect.id,
            replay_count=effect.replay_count,
            account=account,
        )
        letter = DeadLetter(
            info=details, key=record.key, value=record.value, headers=record.headers
        )
        headers = tuple(letter.build_record_headers())
        return OutgoingRecord(self._dlq_topic, record.value, key=record.key, headers=headers)

    def _make_status_record(
        self, event: status.StatusEvent, key: bytes | None, trace: TraceContext
    ) -> OutgoingRecord:
        headers = status.build_headers(event, trace)
        return OutgoingRecord(self._status_topic, status.encode(event), key=key, headers=headers)

    # -- answers to a request that has no row

    def map_rejected(
        self,
        record: SourceRecord,
        partial: PartialRequest,
        phone: str | None,
        error: Error,
        now_s: float,
    ) -> list[OutgoingRecord]:
        """The dead letter and the status of a record that is not a valid request."""
        request_id = partial.id or record.coordinates
        key = phone.encode() if phone else record.key
        event = status.make(
            id=request_id,
            status="rejected",
            event_id_suffix=record.coordinates,
            at_s=now_s,
            to=phone or partial.to,
            error=_to_error_info(error),
            batch_id=partial.batch_id,
            metadata=partial.metadata,
        )
        dead_letter_effect = _make_unattempted_dead_letter(
            request_id, record.coordinates, error, partial.replay_count, now_s
        )
        return [
            self._map_dead_letter(None, dead_letter_effect, record),
            self._make_status_record(event, key, partial.trace),
        ]

    def map_internal_error(self, event: RequestReceived, now_s: float) -> list[OutgoingRecord]:
        """The dead letter and the status of a request on which this program itself failed."""
        error = Error("internal_error", "see the log of the dispatcher")
        request, position = event.request, event.source_record.coordinates
        status_effect = PublishStatus(
            id=request.id, status="failed", event_id_suffix=position, at_s=now_s, error=error
        )
        dead_letter_effect = _make_unattempted_dead_letter(
            request.id, position, error, request.replay_count, now_s
        )
        return [
            self._map_dead_letter(None, dead_letter_effect, event.source_record),
            self._map_status(event.phone, status_effect, request),
        ]


class _EffectContext:
    """What the effects of one row need besides themselves: they name messages by id alone."""

    def __init__(self, row: Phone, event: Event, store: PhoneStore, is_republished: bool) -> None:
        self.phone = row.phone
        self._is_republished = is_republished
        self._removed_payloads = frozenset(row.journal.removed_payloads)
        self._event = event
        self._store = store
        self._changed_messages = {message.id: message for message in row.journal.messages}

    def get_echo_source(self, request_id: str) -> EchoSource:
        """The message, or the request that has no row because the queue was full."""
        message = self._changed_messages.get(request_id)
        message = message or self._store.get_message(self.phone, request_id)
        return message or self._get_request(request_id) or PartialRequest()

    def get_payload(self, request_id: str) -> Payload | None:
        """The message's content and original record, unless it is missing."""
        return self._store.get_payload(self.phone, request_id)

    def describe_missing(self, effect: Dispatch | PublishDeadLetter) -> MissingPayload:
        """Why this effect has no payload."""
        is_expected = self._is_republished and effect.id in self._removed_payloads
        case: MissingCase = "already_published" if is_expected else "lost"
        return MissingPayload(type(effect).__name__, case)

    def get_source_record(self, effect: PublishDeadLetter) -> SourceRecord | None:
        """The original record: the event's own, else that of the message, unless it is missing."""
        event = self._event
        if (
            isinstance(event, RequestReceived)
            and event.source_record.coordinates == effect.dead_letter_id
        ):
            return event.source_record
        payload = self.get_payload(effect.id)
        return payload.source_record if payload else None

    def get_account(self, request_id: str) -> str | None:
        """The account that had the message, if any had."""
        message = self._changed_messages.get(request_id)
        return message.last_status.account if message and message.last_status else None

    def _get_request(self, request_id: str) -> RequestInfo | None:
        event = self._event
        if isinstance(event, RequestReceived) and event.request.id == request_id:
            return event.request
        return None


def _make_unattempted_dead_letter(
    request_id: str, dead_letter_id: str, error: Error, replay_count: int, now_s: float
) -> PublishDeadLetter:
    return PublishDeadLetter(
        id=request_id,
        dead_letter_id=dead_letter_id,
        error=error,
        attempts=0,
        first_failed_at_s=now_s,
        last_failed_at_s=now_s,
        replay_count=replay_count,
    )


def _to_error_info(error: Error) -> ErrorInfo:
    return ErrorInfo(
        code=error.code, class_=_get_error_class(error), title=error.title, detail=error.detail
    )


def _get_error_class(error: Error) -> errors.ErrorClass:
    return error.error_class.value


def _format_error(error: Error) -> str:
    return f"{error.title}: {error.detail}" if error.detail else error.title
