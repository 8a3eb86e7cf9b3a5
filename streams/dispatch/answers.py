"""Answers: what follows from a row or a record, as records for `wa.status`, `wa.dlq` and the lanes.

Only puts into the wire's words what was decided elsewhere; reads rows, writes nothing.
"""

from collections.abc import Callable
from typing import Any, cast

from streams.contract import dead_letter, status
from streams.contract.dead_letter import DeadLetter
from streams.contract.errors import PartialRequest, ErrorInfo
from streams.contract.headers import TraceContext
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.outlet import Outgoing
from streams.dispatch.rows import Rows
from streams.domain.errors import Error
from streams.domain.phone.effects import PublishStatus, PublishDeadLetter, Effect, Dispatch
from streams.domain.phone.events import Event, RequestInfo, SourceRecord, RequestReceived
from streams.domain.phone.state import Message, Payload, Phone
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand

About = Message | RequestInfo | PartialRequest  # what echoes the caller's own fields


class Answers:
    """The topics that answers go to; `lane_of` names an account's lane."""

    def __init__(self, status_topic: str, dlq_topic: str, lane_of: Callable[[str], str]) -> None:
        self._status_topic = status_topic
        self._dlq_topic = dlq_topic
        self._lane_of = lane_of

    # -- of a row

    def of_row(self, row: Phone, event: Event, rows: Rows) -> list[Outgoing]:
        """What the event that wrote this row caused, in order. The row is durable already."""
        telling = _Telling(row, event, rows)
        return [
            outgoing
            for effect in row.journal.effects
            if (outgoing := self._of_effect(effect, telling)) is not None
        ]

    def _of_effect(self, effect: Effect, telling: "_Telling") -> Outgoing | None:
        match effect:
            case PublishStatus():
                return self._announced(telling.phone, effect, telling.about(effect.id))
            case Dispatch():
                payload = telling.payload(effect.id)
                return payload and self._released(telling, effect, payload)
            case PublishDeadLetter():
                record = telling.record(effect)
                return record and self._buried(telling.account(effect.id), effect, record)

    def _announced(self, phone: str, said: PublishStatus, about: About) -> Outgoing:
        event = status.make(
            id=said.id,
            status=cast("status.Status", said.status),
            event_id_suffix=said.event_id_suffix,
            at_s=said.at_s,
            to=phone,
            account=said.account,
            whatsapp_id=said.whatsapp_id,
            attempt=said.attempt,
            reason=cast("status.Reason | None", said.reason),
            due_at_s=said.due_at_s,
            queue_position=said.queue_position,
            error=_problem(said.error) if said.error else None,
            batch_id=about.batch_id,
            metadata=about.metadata,
        )
        return self._status(event, phone.encode(), about.trace)

    def _released(self, telling: "_Telling", said: Dispatch, payload: Payload) -> Outgoing:
        send = SendCommand(
            phone=telling.phone,
            id=said.id,
            dispatch_number=said.dispatch_number,
            account=said.account,
            deadline_s=said.deadline_s,
            content=payload.content,
            reply_to=payload.reply_to,
            chat_id=said.chat_id,
            allow_duplicate=said.allow_duplicate,
            trace=telling.about(said.id).trace,
        )
        key = telling.phone.encode()
        return Outgoing(
            self._lane_of(said.account), command.encode(send), key=key, headers=send.trace
        )

    def _buried(self, account: str | None, said: PublishDeadLetter, record: SourceRecord) -> Outgoing:
        about = dead_letter.DeadLetterInfo(
            id=said.dead_letter_id,
            reason=said.error.code,
            error_class=_class(said.error),
            message=_message(said.error),
            attempts=said.attempts,
            first_failed_at=format_rfc3339(said.first_failed_at_s),
            last_failed_at=format_rfc3339(said.last_failed_at_s),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp_ms,
            outcome=cast("dead_letter.DeadLetterOutcome", said.outcome),
            request_id=said.id,
            replay_count=said.replay_count,
            account=account,
        )
        letter = DeadLetter(info=about, key=record.key, value=record.value, headers=record.headers)
        headers = tuple(letter.build_record_headers())
        return Outgoing(self._dlq_topic, record.value, key=record.key, headers=headers)

    def _status(self, event: status.StatusEvent, key: bytes | None, trace: TraceContext) -> Outgoing:
        headers = status.build_headers(event, trace)
        return Outgoing(self._status_topic, status.encode(event), key=key, headers=headers)

    # -- of a record that never reached a row

    def of_rejected(
        self, record: SourceRecord, asked: PartialRequest, phone: str | None, error: Error, now_s: float
    ) -> list[Outgoing]:
        """The dead letter and the status of a record that is no valid request."""
        request_id = asked.id or record.coordinates
        key = phone.encode() if phone else record.key
        event = status.make(
            id=request_id,
            status="rejected",
            event_id_suffix=record.coordinates,
            at_s=now_s,
            to=phone or asked.to,
            error=_problem(error),
            batch_id=asked.batch_id,
            metadata=asked.metadata,
        )
        bury = _never_tried(request_id, record.coordinates, error, asked.replay_count, now_s)
        return [self._buried(None, bury, record), self._status(event, key, asked.trace)]

    def of_broken(self, event: RequestReceived, now_s: float) -> list[Outgoing]:
        """The dead letter and the status of a request on which the program itself failed."""
        error = Error("internal_error", "its log says more")
        order, place = event.request, event.source_record.coordinates
        said = PublishStatus(id=order.id, status="failed", event_id_suffix=place, at_s=now_s, error=error)
        bury = _never_tried(order.id, place, error, order.replay_count, now_s)
        return [
            self._buried(None, bury, event.source_record),
            self._announced(event.phone, said, order),
        ]


class _Telling:
    """What the effects of one row may need: they name messages by id alone."""

    def __init__(self, row: Phone, event: Event, rows: Rows) -> None:
        self.phone = row.phone
        self._event = event
        self._rows = rows
        self._changed = {message.id: message for message in row.journal.messages}

    def about(self, request_id: str) -> About:
        """The message, or the request that got no row since there was no room for it."""
        message = self._changed.get(request_id) or self._rows.message(self.phone, request_id)
        return message or (self._asked(request_id) or PartialRequest())

    def payload(self, request_id: str) -> Payload | None:
        """None: what needed it is out already, for it is spent after that only."""
        return self._rows.payload(self.phone, request_id)

    def record(self, said: PublishDeadLetter) -> SourceRecord | None:
        """What is to be buried: the event's own record, else that of the message, unless it is spent."""
        event = self._event
        if isinstance(event, RequestReceived) and event.source_record.coordinates == said.dead_letter_id:
            return event.source_record
        payload = self.payload(said.id)
        return payload.source_record if payload else None

    def account(self, request_id: str) -> str | None:
        """Who sent it, if anybody did."""
        message = self._changed.get(request_id)
        return message.last_status.account if message and message.last_status else None

    def _asked(self, request_id: str) -> RequestInfo | None:
        event = self._event
        if isinstance(event, RequestReceived) and event.request.id == request_id:
            return event.request
        return None


def _never_tried(
    request_id: str, place: str, error: Error, replay_count: int, now_s: float
) -> PublishDeadLetter:
    return PublishDeadLetter(
        id=request_id,
        dead_letter_id=place,
        error=error,
        attempts=0,
        first_failed_at_s=now_s,
        last_failed_at_s=now_s,
        replay_count=replay_count,
    )


def _problem(error: Error) -> ErrorInfo:
    return ErrorInfo(code=error.code, class_=_class(error), title=error.title, detail=error.detail)


def _class(error: Error) -> Any:
    return error.error_class.value


def _message(error: Error) -> str:
    return f"{error.title}: {error.detail}" if error.detail else error.title
