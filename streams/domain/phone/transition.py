"""One step in the making: the changed rows, and what the event has caused so far.

A transition lives inside one call of `step`. It decides nothing: the handlers and dispatch.py do. Each
method is one change with what it causes: a completed message and its status, a dead letter and the row
that remembers it. Effects are published in the order in which they were added.
"""

from typing import Final, Literal, TypeAlias, TypeVar, Unpack

from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone import queue
from streams.domain.phone.effects import (
    DeadLetterOutcome,
    Effect,
    ForwardCancel,
    ForwardEvent,
    ForwardRequest,
    InstructForget,
    PublishConsent,
    PublishDeadLetter,
    PublishForgetReport,
    PublishStatus,
    QueuedReason,
    RequestReply,
    Status,
    StatusDetails,
)
from streams.domain.phone.events import Event
from streams.domain.phone.row_changes import RowChanges
from streams.domain.phone.row_reader import RowReader
from streams.domain.phone.state import (
    OPEN_STATES,
    Journal,
    Message,
    Phone,
    QueueSlot,
    State,
)
from streams.domain.policy import Policy

EffectT = TypeVar(
    "EffectT",
    PublishStatus,
    PublishDeadLetter,
    ForwardRequest,
    ForwardCancel,
    ForwardEvent,
    PublishConsent,
    RequestReply,
    PublishForgetReport,
    InstructForget,
    Effect,
)
CompletedState: TypeAlias = Literal[
    State.SENT,
    State.FAILED,
    State.REJECTED,
    State.EXPIRED,
    State.CANCELLED,
    State.UNKNOWN,
]

_NOT_SENT: Final = frozenset({State.FAILED, State.REJECTED, State.EXPIRED, State.CANCELLED})
_PERHAPS_SHOWN: Final = "an earlier dispatch, before its replay, may have sent it"


class Transition(RowChanges):
    """The working copy of a phone while one event is applied to it, and what the event causes."""

    def __init__(
        self,
        phone: Phone,
        event: Event,
        offset: int,
        rows: RowReader,
        policy: Policy,
        *,
        now_s: float,
        append_s: float,
    ) -> None:
        super().__init__(phone, event, offset, rows, policy, now_s=now_s, append_s=append_s)
        self._removed_payloads: list[str] = []
        self._new_payload_id: str | None = None
        self._effects: list[Effect] = []

    # -- causing effects

    def store_payload(self, request_id: str) -> str:
        """The event's own payload is to be stored under this id."""
        self._new_payload_id = request_id
        return request_id

    def remove_payload(self, request_id: str) -> str:
        """The payload under this id is to be removed once the effects of the event are published."""
        self._removed_payloads.append(request_id)
        return request_id

    def emit(self, effect: EffectT) -> EffectT:
        """Add an effect; effects are published in this order."""
        self._effects.append(effect)
        return effect

    def publish_status(
        self,
        message: Message,
        status: Status,
        *,
        event_id_suffix: str = "",
        **details: Unpack[StatusDetails],
    ) -> Message:
        """Publish a status of the message, and remember it as the answer to a repeat of the request."""
        effect = PublishStatus(
            id=message.id,
            status=status,
            event_id_suffix=event_id_suffix or str(message.generation),
            at_s=self.append_s,
            **details,
        )
        return self.put_message(replace(message, last_status=self.emit(effect)))

    def publish_queued(
        self,
        message: Message,
        reason: QueuedReason,
        due_at_s: float = 0.0,
        error: Error | None = None,
    ) -> Message:
        """Publish that the message waits, and why, unless its last `queued` gave the same reason.

        While an attempt is in doubt, this is the reason, whatever else holds the message back: somebody who is told
        anything else could take the message for one that was certainly not sent.
        """
        if message.pinned_to is not None:
            reason = "attempt_in_doubt"
        if message.last_reason == reason and error is None:
            return self.put_message(message)
        updated = replace(message, queued_count=message.queued_count + 1, last_reason=reason)
        return self.publish_status(
            updated,
            "queued",
            event_id_suffix=str(updated.queued_count),
            reason=reason,
            due_at_s=due_at_s,
            attempt=message.attempts,
            queue_position=queue.get_position(self.phone, message),
            error=error,
        )

    def complete(
        self,
        message: Message,
        state: CompletedState,
        **details: Unpack[StatusDetails],
    ) -> Message:
        """The message leaves the queue, its status is published, its payload is no longer needed.

        If an earlier generation of it may have arrived, it does not end in a state that says that nothing was
        sent: it ends as unknown, with a dead letter. A receipt may still correct that.
        """
        if message.may_have_arrived and state in _NOT_SENT:
            error = Error("outcome_unknown", f"{state.value}; {_PERHAPS_SHOWN}")
            return self.complete_with_dead_letter(message, State.UNKNOWN, error)
        if message.state in OPEN_STATES:
            message = self.dequeue(message)
        self.remove_payload(message.id)
        completed = replace(message, state=state, completed_at_s=self.append_s, pinned_to=None)
        return self.publish_status(completed, state.value, **details)

    def complete_with_dead_letter(
        self,
        message: Message,
        state: CompletedState,
        error: Error,
        *,
        outcome: DeadLetterOutcome = "not_sent",
        account: str | None = None,
        whatsapp_id: str | None = None,
    ) -> Message:
        """The message is complete and becomes a dead letter. See `complete` for one that may have arrived earlier."""
        if message.may_have_arrived:
            outcome = "unknown"
            if state in _NOT_SENT:
                state = State.UNKNOWN
                error = Error("outcome_unknown", f"{error.code}; {_PERHAPS_SHOWN}; {error.detail}")
        completed = self.complete(
            replace(message, dead_letter_id=message.source_coordinates),
            state,
            error=error,
            attempt=message.attempts,
            account=account,
            whatsapp_id=whatsapp_id,
        )
        self.emit(
            PublishDeadLetter(
                id=message.id,
                dead_letter_id=completed.dead_letter_id,
                error=error,
                attempts=message.attempts,
                first_failed_at_s=message.first_failed_at_s or self.append_s,
                last_failed_at_s=self.append_s,
                outcome=outcome,
                replay_count=message.replay_count,
            )
        )
        return completed

    # -- ending

    def finish(self, *, is_active: bool) -> Phone:
        """The row with the event's offset and its journal; `is_active`: the event shows a phone in use."""
        timer_version = self.phone.timer_version
        if _get_wait_state(self.phone) != _get_wait_state(self._initial_row):
            timer_version = max(timer_version, self._initial_row.timer_version + 1)
        messages = self._messages.items()
        slots = self._slots.items()
        # Lists on the way to tuples: many steps end here, and a generator is slower.
        journal = Journal(
            messages=tuple([message for _, message in messages if message is not None]),
            removed_messages=tuple([id_ for id_, message in messages if message is None]),
            slots=tuple([QueueSlot(queue=name, seq=seq, id=id_) for (name, seq), id_ in slots]),
            new_payload_id=self._new_payload_id,
            removed_payloads=tuple(self._removed_payloads),
            consent=self._consent if self._is_consent_changed else None,
            is_consent_removed=self._is_consent_changed and self._consent is None,
            kept_opt_out=self._kept_opt_out,
            effects=tuple(self._effects),
        )
        last_active_s = self.append_s if is_active else self.phone.last_active_s
        return replace(
            self.phone,
            offset=self.offset,
            timer_version=timer_version,
            journal=journal,
            last_active_s=last_active_s,
        )


def _get_wait_state(row: Phone) -> tuple[object, ...]:
    """What the row waits for: with another value, a timer of the old one is stale."""
    return row.timer_at_s, row.waits, row.in_flight
