"""One step in the making: the phone's row, and what the event has changed and caused so far.

A transition lives inside one call of `step`. It reads rows and writes none. Each method is one change
that keeps the rows consistent with each other: a message and its slot, a status and the row that
remembers it. Every method that changes something stores the changed value and returns it. No message
row is stored, and none removed, that the life cycle does not allow (lifecycle.py).
"""

from typing import Literal, TypeAlias, TypedDict, TypeVar, Unpack

from msgspec.structs import replace

from streams.domain import rate_limit
from streams.domain.errors import Error
from streams.domain.phone import lifecycle, queue
from streams.domain.phone.effects import (
    DeadLetterOutcome,
    Effect,
    PublishDeadLetter,
    PublishStatus,
    QueuedReason,
    Status,
    StatusDetails,
)
from streams.domain.phone.events import Event, Priority
from streams.domain.phone.state import (
    OPEN_STATES,
    Chat,
    Closure,
    InFlight,
    Journal,
    Message,
    Phone,
    PriorityQueue,
    QueueSlot,
    RowReader,
    State,
    Wait,
)
from streams.domain.policy import Policy

EffectT = TypeVar("EffectT", PublishStatus, PublishDeadLetter, Effect)
CompletedState: TypeAlias = Literal[State.SENT, State.FAILED, State.EXPIRED, State.UNKNOWN]


class PhoneChanges(TypedDict, total=False):
    """The fields of a phone's row that are changed by name; queues have methods of their own."""

    timer_version: int
    timer_at_s: float
    waits: tuple[Wait, ...]
    account: str | None
    closures: dict[str, Closure]
    chat: Chat | None
    scheduled_count: int
    send_times_s: tuple[float, ...]
    in_flight: InFlight | None
    is_removed: bool


class Transition:
    """The working copy of a phone while one event is applied to it."""

    def __init__(
        self, phone: Phone, event: Event, offset: int, now_s: float, rows: RowReader, policy: Policy
    ) -> None:
        self.phone = phone
        self.offset = offset
        self.now_s = now_s
        self.policy = policy
        self._event_type = type(event)
        self._initial_row = phone
        self._rows = rows
        self._stored_messages: dict[str, Message | None] = {}  # as read from the rows
        self._messages: dict[str, Message | None] = {}  # as changed here; None: removed
        self._slots: dict[tuple[Priority, int], str | None] = {}
        self._removed_payloads: list[str] = []
        self._new_payload_id: str | None = None
        self._effects: list[Effect] = []

    # -- reading

    def get_message(self, request_id: str) -> Message | None:
        """The message as this step has left it so far."""
        if request_id in self._messages:
            return self._messages[request_id]
        if request_id not in self._stored_messages:
            row = self._rows.get_message(self.phone.phone, request_id)
            self._stored_messages[request_id] = row
        return self._stored_messages[request_id]

    def _get_slot(self, priority: Priority, seq: int) -> str | None:
        if (priority, seq) in self._slots:
            return self._slots[priority, seq]
        return self._rows.get_slot(self.phone.phone, priority, seq)

    # -- changing the phone

    def update_phone(self, **changes: Unpack[PhoneChanges]) -> Phone:
        """Change fields of the phone's row."""
        self.phone = replace(self.phone, **changes)
        return self.phone

    def record_send_time(self, at_s: float) -> Phone:
        """One more message counts against the limit of this recipient."""
        send_times_s = rate_limit.add_send_time(
            self.phone.send_times_s, at_s, self.policy.rate_limit_per_minute
        )
        return self.update_phone(send_times_s=send_times_s)

    def record_bulk_skip(self, priority: Priority) -> Phone:
        """A message of this priority was dispatched: bulk may have been skipped once more."""
        self.phone = queue.count_bulk_skip(self.phone, priority)
        return self.phone

    def _set_queue(self, priority: Priority, priority_queue: PriorityQueue) -> PriorityQueue:
        self.phone = queue.replace_queue(self.phone, priority, priority_queue)
        return priority_queue

    # -- changing messages

    def put_message(self, message: Message) -> Message:
        """Store this as the message's row.

        Raises:
            TransitionRefused: its state cannot follow the state that it had.
        """
        self._check_change(message.id, message.state)
        if message != self.get_message(message.id):
            self._messages[message.id] = message
        return message

    def remove_message(self, message: Message) -> Message:
        """The message's row is removed.

        Raises:
            TransitionRefused: something may still happen to the message.
        """
        self._check_change(message.id, lifecycle.Absent.REMOVED)
        self._messages[message.id] = None
        return message

    def _check_change(self, request_id: str, after: lifecycle.Stage) -> None:
        row = self.get_message(request_id)
        before = lifecycle.Absent.NEW if row is None else row.state
        lifecycle.check(self._event_type, before, after)

    def advance_to_head(self, priority: Priority) -> Message | None:
        """The first message of a queue. The head moves past empty slots, so none is read twice."""
        priority_queue = self.phone.queue(priority)
        for seq in range(priority_queue.head, priority_queue.tail):
            request_id = self._get_slot(priority, seq)
            message = self.get_message(request_id) if request_id is not None else None
            if message is not None:
                self._set_queue(priority, replace(priority_queue, head=seq))
                return message
        return None

    def enqueue(self, message: Message) -> Message:
        """The message joins the end of its queue and waits."""
        priority_queue = self.phone.queue(message.priority)
        self._slots[message.priority, priority_queue.tail] = message.id
        self._set_queue(message.priority, queue.enqueue(priority_queue))
        return self.put_message(replace(message, seq=priority_queue.tail, state=State.WAITING))

    def dequeue(self, message: Message) -> Message:
        """The message leaves its queue, or the scheduled messages."""
        if message.seq < 0:
            self.update_phone(scheduled_count=self.phone.scheduled_count - 1)
            return self.put_message(message)
        self._slots[message.priority, message.seq] = None
        priority_queue = self.phone.queue(message.priority)
        self._set_queue(message.priority, queue.dequeue(priority_queue, message.seq))
        return self.put_message(replace(message, seq=-1))

    def store_payload(self, request_id: str) -> str:
        """The event's own payload is to be stored under this id."""
        self._new_payload_id = request_id
        return request_id

    # -- causing effects

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
        at_s: float | None = None,
        **details: Unpack[StatusDetails],
    ) -> Message:
        """Publish a status of the message, and remember it as the answer to a repeat of the request."""
        effect = PublishStatus(
            id=message.id,
            status=status,
            event_id_suffix=event_id_suffix or str(message.generation),
            at_s=self.now_s if at_s is None else at_s,
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
        """Publish that the message waits, and why, unless its last `queued` gave the same reason."""
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
        *,
        at_s: float | None = None,
        **details: Unpack[StatusDetails],
    ) -> Message:
        """The message leaves the queue, its status is published, its payload is no longer needed."""
        if message.state in OPEN_STATES:
            message = self.dequeue(message)
        self._removed_payloads.append(message.id)
        completed = replace(message, state=state, completed_at_s=self.now_s, pinned_to=None)
        return self.publish_status(completed, state.value, at_s=at_s, **details)

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
        """The message is complete and becomes a dead letter."""
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
                first_failed_at_s=message.first_failed_at_s or self.now_s,
                last_failed_at_s=self.now_s,
                outcome=outcome,
                replay_count=message.replay_count,
            )
        )
        return completed

    # -- ending

    def finish(self, *, is_active: bool) -> Phone:
        """The row with the event's offset and its journal; `is_active`: the event shows a phone in use."""
        if _get_wait_state(self.phone) != _get_wait_state(self._initial_row):
            self.update_phone(
                timer_version=max(self.phone.timer_version, self._initial_row.timer_version + 1)
            )
        messages = self._messages.items()
        journal = Journal(
            messages=tuple(message for _, message in messages if message is not None),
            removed_messages=tuple(id_ for id_, message in messages if message is None),
            slots=tuple(QueueSlot(priority=p, seq=s, id=i) for (p, s), i in self._slots.items()),
            new_payload_id=self._new_payload_id,
            removed_payloads=tuple(self._removed_payloads),
            effects=tuple(self._effects),
        )
        last_active_s = self.now_s if is_active else self.phone.last_active_s
        return replace(self.phone, offset=self.offset, journal=journal, last_active_s=last_active_s)


def _get_wait_state(row: Phone) -> tuple[object, ...]:
    """What the row waits for: with another value, a timer of the old one is stale."""
    return row.timer_at_s, row.waits, row.in_flight
