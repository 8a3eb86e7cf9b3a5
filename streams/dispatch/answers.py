"""Answers: what follows from a row or a record, as records for `wa.status`, `wa.dlq` and the lanes.

Only puts into the wire's words what was decided elsewhere; reads rows, writes nothing.
"""

from collections.abc import Callable
from typing import Any, cast

from streams.contract import dead_letter, status
from streams.contract.dead_letter import DeadLetter
from streams.contract.errors import Partial, Problem
from streams.contract.headers import Trace
from streams.contract.timestamps import rfc3339
from streams.dispatch.outlet import Outgoing
from streams.dispatch.rows import Rows
from streams.domain.errors import Error
from streams.domain.phone.effects import Announce, Bury, Effect, Release
from streams.domain.phone.events import Event, Order, Record, Submitted
from streams.domain.phone.state import Message, Payload, Phone
from streams.domain.sending import command
from streams.domain.sending.command import Send

About = Message | Order | Partial  # what echoes the caller's own fields


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
            case Announce():
                return self._announced(telling.phone, effect, telling.about(effect.id))
            case Release():
                payload = telling.payload(effect.id)
                return payload and self._released(telling, effect, payload)
            case Bury():
                record = telling.record(effect)
                return record and self._buried(telling.account(effect.id), effect, record)

    def _announced(self, phone: str, said: Announce, about: About) -> Outgoing:
        event = status.make(
            id=said.id,
            status=cast("status.Status", said.status),
            n=said.n,
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

    def _released(self, telling: "_Telling", said: Release, payload: Payload) -> Outgoing:
        send = Send(
            phone=telling.phone,
            id=said.id,
            release=said.release,
            account=said.account,
            deadline_s=said.deadline_s,
            content=payload.content,
            reply_to=payload.reply_to,
            chat_id=said.chat_id,
            again=said.again,
            trace=telling.about(said.id).trace,
        )
        key = telling.phone.encode()
        return Outgoing(
            self._lane_of(said.account), command.encode(send), key=key, headers=send.trace
        )

    def _buried(self, account: str | None, said: Bury, record: Record) -> Outgoing:
        about = dead_letter.About(
            id=said.dead_letter,
            reason=said.error.code,
            error_class=_class(said.error),
            message=_message(said.error),
            attempts=said.attempts,
            first_failed_at=rfc3339(said.first_failed_at_s),
            last_failed_at=rfc3339(said.last_failed_at_s),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp_ms,
            outcome=cast("dead_letter.Outcome", said.outcome),
            request_id=said.id,
            replay_count=said.replay_count,
            account=account,
        )
        letter = DeadLetter(about=about, key=record.key, value=record.value, headers=record.headers)
        headers = tuple(letter.record_headers())
        return Outgoing(self._dlq_topic, record.value, key=record.key, headers=headers)

    def _status(self, event: status.StatusEvent, key: bytes | None, trace: Trace) -> Outgoing:
        headers = status.headers(event, trace)
        return Outgoing(self._status_topic, status.encode(event), key=key, headers=headers)

    # -- of a record that never reached a row

    def of_rejected(
        self, record: Record, asked: Partial, phone: str | None, error: Error, now_s: float
    ) -> list[Outgoing]:
        """The dead letter and the status of a record that is no valid request."""
        request_id = asked.id or record.place
        key = phone.encode() if phone else record.key
        event = status.make(
            id=request_id,
            status="rejected",
            n=record.place,
            at_s=now_s,
            to=phone or asked.to,
            error=_problem(error),
            batch_id=asked.batch_id,
            metadata=asked.metadata,
        )
        bury = _never_tried(request_id, record.place, error, asked.replay_count, now_s)
        return [self._buried(None, bury, record), self._status(event, key, asked.trace)]

    def of_broken(self, event: Submitted, now_s: float) -> list[Outgoing]:
        """The dead letter and the status of a request on which the program itself failed."""
        error = Error("internal_error", "its log says more")
        order, place = event.order, event.record.place
        said = Announce(id=order.id, status="failed", n=place, at_s=now_s, error=error)
        bury = _never_tried(order.id, place, error, order.replay_count, now_s)
        return [
            self._buried(None, bury, event.record),
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
        return message or (self._asked(request_id) or Partial())

    def payload(self, request_id: str) -> Payload | None:
        """None: what needed it is out already, for it is spent after that only."""
        return self._rows.payload(self.phone, request_id)

    def record(self, said: Bury) -> Record | None:
        """What is to be buried: the event's own record, else that of the message, unless it is spent."""
        event = self._event
        if isinstance(event, Submitted) and event.record.place == said.dead_letter:
            return event.record
        payload = self.payload(said.id)
        return payload.record if payload else None

    def account(self, request_id: str) -> str | None:
        """Who sent it, if anybody did."""
        message = self._changed.get(request_id)
        return message.said.account if message and message.said else None

    def _asked(self, request_id: str) -> Order | None:
        event = self._event
        if isinstance(event, Submitted) and event.order.id == request_id:
            return event.order
        return None


def _never_tried(
    request_id: str, place: str, error: Error, replay_count: int, now_s: float
) -> Bury:
    return Bury(
        id=request_id,
        dead_letter=place,
        error=error,
        attempts=0,
        first_failed_at_s=now_s,
        last_failed_at_s=now_s,
        replay_count=replay_count,
    )


def _problem(error: Error) -> Problem:
    return Problem(code=error.code, class_=_class(error), title=error.title, detail=error.detail)


def _class(error: Error) -> Any:
    return error.error_class.value


def _message(error: Error) -> str:
    return f"{error.title}: {error.detail}" if error.detail else error.title
