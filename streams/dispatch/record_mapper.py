"""Answers: what follows from a row or a record, as records for `wa.status`, `wa.dlq` and the lanes.

Only puts into the wire's words what was decided elsewhere; reads rows, writes nothing.
"""

from collections.abc import Callable
from typing import Any, cast

from streams.contract import dead_letter, status
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

EchoSource = Message | RequestInfo | PartialRequest  # what echoes the caller's own fields


class RecordMapper:
    """The topics that answers go to; `lane_of` names an account's lane."""

    def __init__(
        self, status_topic: str, dlq_topic: str, send_topic_for: Callable[[str], str]
    ) -> None:
        self._status_topic = status_topic
        self._dlq_topic = dlq_topic
        self._send_topic_for = send_topic_for

    # -- of a row

    def map_row(self, row: Phone, event: Event, store: PhoneStore) -> list[OutgoingRecord]:
        """What the event that wrote this row caused, in order. The row is durable already."""
        context = _EffectContext(row, event, store)
        return [
            outgoing
            for effect in row.journal.effects
            if (outgoing := self._map_effect(effect, context)) is not None
        ]

    def _map_effect(self, effect: Effect, context: "_EffectContext") -> OutgoingRecord | None:
        match effect:
            case PublishStatus():
                return self._map_status(context.phone, effect, context.get_echo_source(effect.id))
            case Dispatch():
                payload = context.get_payload(effect.id)
                return payload and self._map_dispatch(context, effect, payload)
            case PublishDeadLetter():
                record = context.get_source_record(effect)
                return record and self._map_dead_letter(
                    context.get_account(effect.id), effect, record
                )

    def _map_status(
        self, phone: str, effect: PublishStatus, echo_source: EchoSource
    ) -> OutgoingRecord:
        event = status.make(
            id=effect.id,
            status=cast("status.Status", effect.status),
            event_id_suffix=effect.event_id_suffix,
            at_s=effect.at_s,
            to=phone,
            account=effect.account,
            whatsapp_id=effect.whatsapp_id,
            attempt=effect.attempt,
            reason=cast("status.Reason | None", effect.reason),
            due_at_s=effect.due_at_s,
            queue_position=effect.queue_position,
            error=_to_problem(effect.error) if effect.error else None,
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
            deadline_s=effect.deadline_s,
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
            outcome=cast("dead_letter.DeadLetterOutcome", effect.outcome),
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

    # -- of a record that never reached a row

    def map_rejected(
        self,
        record: SourceRecord,
        partial: PartialRequest,
        phone: str | None,
        error: Error,
        now_s: float,
    ) -> list[OutgoingRecord]:
        """The dead letter and the status of a record that is no valid request."""
        request_id = partial.id or record.coordinates
        key = phone.encode() if phone else record.key
        event = status.make(
            id=request_id,
            status="rejected",
            event_id_suffix=record.coordinates,
            at_s=now_s,
            to=phone or partial.to,
            error=_to_problem(error),
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
        """The dead letter and the status of a request on which the program itself failed."""
        error = Error("internal_error", "its log says more")
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
    """What the effects of one row may need: they name messages by id alone."""

    def __init__(self, row: Phone, event: Event, store: PhoneStore) -> None:
        self.phone = row.phone
        self._event = event
        self._store = store
        self._changed_messages = {message.id: message for message in row.journal.messages}

    def get_echo_source(self, request_id: str) -> EchoSource:
        """The message, or the request that got no row since there was no room for it."""
        message = self._changed_messages.get(request_id) or self._store.message(
            self.phone, request_id
        )
        return message or (self._get_submitted_request(request_id) or PartialRequest())

    def get_payload(self, request_id: str) -> Payload | None:
        """None: what needed it is out already, for it is spent after that only."""
        return self._store.payload(self.phone, request_id)

    def get_source_record(self, effect: PublishDeadLetter) -> SourceRecord | None:
        """What is to be buried: the event's own record, else that of the message, unless it is spent."""
        event = self._event
        if (
            isinstance(event, RequestReceived)
            and event.source_record.coordinates == effect.dead_letter_id
        ):
            return event.source_record
        payload = self.get_payload(effect.id)
        return payload.source_record if payload else None

    def get_account(self, request_id: str) -> str | None:
        """Who sent it, if anybody did."""
        message = self._changed_messages.get(request_id)
        return message.last_status.account if message and message.last_status else None

    def _get_submitted_request(self, request_id: str) -> RequestInfo | None:
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


def _to_problem(error: Error) -> ErrorInfo:
    return ErrorInfo(
        code=error.code, class_=_get_error_class(error), title=error.title, detail=error.detail
    )


def _get_error_class(error: Error) -> Any:
    return error.error_class.value


def _format_error(error: Error) -> str:
    return f"{error.title}: {error.detail}" if error.detail else error.title
