"""Status events, as records of `wa.status`. Decides nothing: every field was decided elsewhere."""

from typing import Final

from streams.contract import record_size, status
from streams.contract.errors import ErrorInfo, PartialRequest
from streams.contract.headers import TraceContext
from streams.contract.timestamps import parse_rfc3339
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.records.context import EchoSource
from streams.domain.errors import Error
from streams.domain.phone.effects import PublishStatus
from streams.domain.phone.events import SourceRecord
from streams.tracing import tracing

MAX_KEY_BYTES: Final = 4096  # a longer one can only be that of a rejected request


class StatusRecords:
    """Makes the records of the status topic."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def map_effect(
        self,
        phone: str,
        effect: PublishStatus,
        echo_source: EchoSource,
        requested_phone: str | None,
        template: str | None = None,
    ) -> OutgoingRecord:
        """The status of a message. `requested_phone`: the number that was requested, if it is an alias."""
        event = status.make(
            id=effect.id,
            status=effect.status,
            event_id_suffix=effect.event_id_suffix,
            at_s=effect.at_s,
            to=phone,
            requested_to=requested_phone if requested_phone != phone else None,
            account=effect.account,
            whatsapp_id=effect.whatsapp_id,
            attempt=effect.attempt,
            reason=effect.reason,
            due_at_s=effect.due_at_s,
            queue_position=effect.queue_position,
            error=to_error_info(effect.error) if effect.error else None,
            batch_id=echo_source.batch_id,
            metadata=echo_source.metadata,
            template=template,
        )
        return self._make_record(event, phone.encode(), echo_source.trace)

    def map_rejection(
        self,
        record: SourceRecord,
        partial: PartialRequest,
        phone: str | None,
        error: Error,
        now_s: float,
    ) -> OutgoingRecord:
        """The status of a record that is not a valid request."""
        event = status.make(
            id=partial.id or record.coordinates,
            status="rejected",
            event_id_suffix=record.coordinates,
            at_s=now_s,
            to=phone,
            unreadable_to=partial.to,
            error=to_error_info(error),
            batch_id=partial.batch_id,
            metadata=partial.metadata,
        )
        key = phone.encode() if phone else record.key
        return self._make_record(event, key, partial.trace)

    def _make_record(
        self, event: status.StatusEvent, key: bytes | None, trace: TraceContext
    ) -> OutgoingRecord:
        if trace:
            kind, at_s = status.EVENT_TYPE_PREFIX + event.status, parse_rfc3339(event.at)
            tracing.record(kind, trace, at_s, **_describe(event))
        headers = status.build_headers(event, trace)
        short_key = record_size.cut(key, MAX_KEY_BYTES)
        return OutgoingRecord(self._topic, status.encode(event), key=short_key, headers=headers)


def _describe(event: status.StatusEvent) -> dict[str, str | int]:
    """The attributes of its span: no number, no id of the caller, no text."""
    error_code = event.error.code if event.error else None
    fields = {"wa.account": event.account, "wa.reason": event.reason, "wa.error": error_code}
    attempt = {"wa.attempt": event.attempt} if event.attempt else {}
    return {name: value for name, value in fields.items() if value} | attempt


def to_error_info(error: Error) -> ErrorInfo:
    """The error as the contract shows it."""
    return ErrorInfo(
        code=error.code, class_=error.error_class.value, title=error.title, detail=error.detail
    )
