"""One step in the making: the phone's row, and what the event has changed and caused so far.

A fold lives inside one call of `step`; it reads rows and writes none. Each method is one change that
keeps the rows true to each other: a message and its slot, a status and the row that remembers it.
"""

from typing import Any

from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone import queue
from streams.domain.phone.effects import Effect, PublishDeadLetter, PublishStatus
from streams.domain.phone.events import Priority
from streams.domain.phone.state import Journal, Message, Phone, QueueSlot, RowReader, State
from streams.domain.policy import Policy


class Transition:
    """The working copy of a phone while one event is folded into it."""

    def __init__(
        self, phone: Phone, offset: int, now_s: float, rows: RowReader, policy: Policy
    ) -> None:
        self.phone = phone
        self.offset = offset
        self.now_s = now_s
        self.policy = policy
        self._initial_row = phone
        self._rows = rows
        self._messages: dict[str, Message] = {}
        self._slots: dict[tuple[Priority, int], str | None] = {}
        self._removed_messages: list[str] = []
        self._removed_payloads: list[str] = []
        self._new_payload_id: str | None = None
        self._effects: list[Effect] = []

    # -- reading

    def get_message(self, request_id: str) -> Message | None:
        """The message as this step has left it so far."""
        if request_id in self._messages:
            return self._messages[request_id]
        return self._rows.message(self.phone.phone, request_id)

    def peek(self, priority: Priority) -> Message | None:
        """The first message of a lane; places that were given up are passed over for good."""
        priority_queue = self.phone.queue(priority)
        for seq in range(priority_queue.head, priority_queue.tail):
            request_id = self._get_slot(priority, seq)
            message = self.get_message(request_id) if request_id is not None else None
            if message is not None:
                self._set_queue(priority, replace(priority_queue, head=seq))
                return message
        return None

    def _get_slot(self, priority: Priority, seq: int) -> str | None:
        if (priority, seq) in self._slots:
            return self._slots[priority, seq]
        return self._rows.slot(self.phone.phone, priority, seq)

    # -- changing

    def update_phone(self, **fields: Any) -> None:
        """Change fields of the phone's row."""
        self.phone = replace(self.phone, **fields)

    def put_message(self, message: Message) -> Message:
        """Take this as the message's row."""
        self._messages[message.id] = message
        return message

    def enqueue(self, message: Message) -> Message:
        """The message joins its lane at the end."""
        priority_queue = self.phone.queue(message.priority)
        self._slots[message.priority, priority_queue.tail] = message.id
        self._set_queue(message.priority, queue.enqueue(priority_queue))
        return self.put_message(replace(message, seq=priority_queue.tail, state=State.WAITING))

    def dequeue(self, message: Message) -> None:
        """The message leaves its lane, or the scheduled ones."""
        if message.seq < 0:
            self.update_phone(scheduled_count=self.phone.scheduled_count - 1)
            return
        self._slots[message.priority, message.seq] = None
        priority_queue = self.phone.queue(message.priority)
        self._set_queue(message.priority, queue.dequeue(priority_queue, message.seq))

    def _set_queue(self, priority: Priority, priority_queue: queue.PriorityQueue) -> None:
        self.phone = queue.replace_queue(self.phone, priority, priority_queue)

    def store_payload(self, request_id: str) -> None:
        """The event's own payload is to be stored under this id."""
        self._new_payload_id = request_id

    def remove_message(self, request_id: str) -> None:
        """The message's row goes."""
        self._messages.pop(request_id, None)
        self._removed_messages.append(request_id)

    # -- telling

    def emit(self, effect: Effect) -> None:
        """Something that follows, in this order."""
        self._effects.append(effect)

    def publish_status(
        self, message: Message, status: str, *, event_id_suffix: str = "", **fields: Any
    ) -> Message:
        """Say a status of a message and remember it as the answer to a repeat of the request."""
        effect = PublishStatus(
            id=message.id,
            status=status,
            event_id_suffix=event_id_suffix or str(message.generation),
            at_s=fields.pop("at_s", self.now_s),
            **fields,
        )
        self.emit(effect)
        return self.put_message(replace(message, last_status=effect))

    def publish_queued(
        self, message: Message, reason: str, due_at_s: float = 0.0, error: Error | None = None
    ) -> Message:
        """Say that a message waits, and why, unless that was the last thing said of it."""
        if message.last_reason == reason and error is None:
            return message
        updated = replace(message, queued_count=message.queued_count + 1, last_reason=reason)
        return self.publish_status(
            updated,
            "queued",
            event_id_suffix=str(updated.queued_count),
            reason=reason,
            due_at_s=due_at_s,
            attempt=message.attempts,
            queue_position=self.get_queue_position(message),
            error=error,
        )

    def get_queue_position(self, message: Message) -> int:
        """How many messages of this phone are ahead of this one."""
        if message.seq < 0:
            return queue.count_ahead(self.phone, message.priority)
        priority_queue = self.phone.queue(message.priority)
        ahead_in_other_queues = (
            queue.count_ahead(self.phone, message.priority) - priority_queue.count
        )
        ahead_in_own_queue = min(
            max(message.seq - priority_queue.head, 0), max(priority_queue.count - 1, 0)
        )
        return ahead_in_other_queues + ahead_in_own_queue

    def complete(self, message: Message, state: State, **fields: Any) -> Message:
        """The message is final: out of the queue, its status said, its payload no longer needed."""
        if message.state in (State.WAITING, State.DISPATCHED, State.SCHEDULED):
            self.dequeue(message)
        self._removed_payloads.append(message.id)
        completed = replace(message, state=state, completed_at_s=self.now_s, pinned_to=None)
        return self.publish_status(completed, state.value, **fields)

    def complete_with_dead_letter(
        self,
        message: Message,
        state: State,
        error: Error,
        *,
        outcome: str = "not_sent",
        **fields: Any,
    ) -> None:
        """The message is final and becomes a dead letter."""
        first_failed_at_s = message.first_failed_at_s or self.now_s
        with_dead_letter = replace(message, dead_letter_id=message.source_coordinates)
        self.complete(with_dead_letter, state, error=error, attempt=message.attempts, **fields)
        self.emit(
            PublishDeadLetter(
                id=message.id,
                dead_letter_id=with_dead_letter.dead_letter_id,
                error=error,
                attempts=message.attempts,
                first_failed_at_s=first_failed_at_s,
                last_failed_at_s=self.now_s,
                outcome=outcome,
                replay_count=message.replay_count,
            )
        )

    # -- ending

    def finish(self, *, is_active: bool = True) -> Phone:
        """The row with the event's offset and journal; `is_active`: the phone is not idle."""
        if self._get_wait_state() != self._get_initial_wait_state():
            self.update_phone(
                timer_version=max(self.phone.timer_version, self._initial_row.timer_version + 1)
            )
        journal = Journal(
            messages=tuple(self._messages.values()),
            removed_messages=tuple(self._removed_messages),
            slots=tuple(QueueSlot(priority=p, seq=s, id=i) for (p, s), i in self._slots.items()),
            new_payload_id=self._new_payload_id,
            removed_payloads=tuple(self._removed_payloads),
            effects=tuple(self._effects),
        )
        last_active_s = self.now_s if is_active else self.phone.last_active_s
        return replace(self.phone, offset=self.offset, journal=journal, last_active_s=last_active_s)

    def _get_wait_state(self) -> tuple[object, ...]:
        row = self.phone
        return row.timer_at_s, row.waits, row.in_flight

    def _get_initial_wait_state(self) -> tuple[object, ...]:
        row = self._initial_row
        return row.timer_at_s, row.waits, row.in_flight
