"""One step in the making: the phone's row, and what the event has changed and caused so far.

A fold lives inside one call of `step`; it reads rows and writes none. Each method is one change that
keeps the rows true to each other: a message and its slot, a status and the row that remembers it.
"""

from typing import Any

from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone import queue
from streams.domain.phone.effects import Announce, Bury, Effect
from streams.domain.phone.events import Priority
from streams.domain.phone.state import Journal, Message, Phone, Rows, Slot, State
from streams.domain.policy import Rules


class Fold:
    """The working copy of a phone while one event is folded into it."""

    def __init__(self, phone: Phone, offset: int, now_s: float, rows: Rows, rules: Rules) -> None:
        self.phone = phone
        self.offset = offset
        self.now_s = now_s
        self.rules = rules
        self._before = phone
        self._rows = rows
        self._messages: dict[str, Message] = {}
        self._slots: dict[tuple[Priority, int], str | None] = {}
        self._forgotten: list[str] = []
        self._spent: list[str] = []
        self._new_payload: str | None = None
        self._effects: list[Effect] = []

    # -- reading

    def message(self, request_id: str) -> Message | None:
        """The message as this step has left it so far."""
        if request_id in self._messages:
            return self._messages[request_id]
        return self._rows.message(self.phone.phone, request_id)

    def head(self, priority: Priority) -> Message | None:
        """The first message of a lane; places that were given up are passed over for good."""
        lane = self.phone.lane(priority)
        for seq in range(lane.head, lane.tail):
            found = self._slot(priority, seq)
            message = self.message(found) if found is not None else None
            if message is not None:
                self._set_lane(priority, replace(lane, head=seq))
                return message
        return None

    def _slot(self, priority: Priority, seq: int) -> str | None:
        if (priority, seq) in self._slots:
            return self._slots[priority, seq]
        return self._rows.slot(self.phone.phone, priority, seq)

    # -- changing

    def change(self, **fields: Any) -> None:
        """Change fields of the phone's row."""
        self.phone = replace(self.phone, **fields)

    def put(self, message: Message) -> Message:
        """Take this as the message's row."""
        self._messages[message.id] = message
        return message

    def push(self, message: Message) -> Message:
        """The message joins its lane at the end."""
        lane = self.phone.lane(message.priority)
        self._slots[message.priority, lane.tail] = message.id
        self._set_lane(message.priority, queue.pushed(lane))
        return self.put(replace(message, seq=lane.tail, state=State.WAITING))

    def pop(self, message: Message) -> None:
        """The message leaves its lane, or the scheduled ones."""
        if message.seq < 0:
            self.change(scheduled=self.phone.scheduled - 1)
            return
        self._slots[message.priority, message.seq] = None
        lane = self.phone.lane(message.priority)
        self._set_lane(message.priority, queue.popped(lane, message.seq))

    def _set_lane(self, priority: Priority, lane: queue.Lane) -> None:
        self.phone = queue.with_lane(self.phone, priority, lane)

    def keep_payload(self, request_id: str) -> None:
        """The event's own payload is to be stored under this id."""
        self._new_payload = request_id

    def forget(self, request_id: str) -> None:
        """The message's row goes."""
        self._messages.pop(request_id, None)
        self._forgotten.append(request_id)

    # -- telling

    def tell(self, effect: Effect) -> None:
        """Something that follows, in this order."""
        self._effects.append(effect)

    def announce(self, message: Message, status: str, *, n: str = "", **said: Any) -> Message:
        """Say a status of a message and remember it as the answer to a repeat of the request."""
        event = Announce(
            id=message.id,
            status=status,
            n=n or str(message.life),
            at_s=said.pop("at_s", self.now_s),
            **said,
        )
        self.tell(event)
        return self.put(replace(message, said=event))

    def queued(
        self, message: Message, reason: str, due_at_s: float = 0.0, error: Error | None = None
    ) -> Message:
        """Say that a message waits, and why, unless that was the last thing said of it."""
        if message.reason == reason and error is None:
            return message
        said = replace(message, queued=message.queued + 1, reason=reason)
        return self.announce(
            said,
            "queued",
            n=str(said.queued),
            reason=reason,
            due_at_s=due_at_s,
            attempt=message.attempts,
            queue_position=self.position(message),
            error=error,
        )

    def position(self, message: Message) -> int:
        """How many messages of this phone are ahead of this one."""
        if message.seq < 0:
            return queue.ahead(self.phone, message.priority)
        lane = self.phone.lane(message.priority)
        above = queue.ahead(self.phone, message.priority) - lane.count
        inside = min(max(message.seq - lane.head, 0), max(lane.count - 1, 0))
        return above + inside

    def settle(self, message: Message, state: State, **said: Any) -> Message:
        """The message is final: out of the queue, its status said, its payload no longer needed."""
        if message.state in (State.WAITING, State.RELEASED, State.SCHEDULED):
            self.pop(message)
        self._spent.append(message.id)
        final = replace(message, state=state, settled_at_s=self.now_s, bound=None)
        return self.announce(final, state.value, **said)

    def bury(
        self,
        message: Message,
        state: State,
        error: Error,
        *,
        outcome: str = "not_sent",
        **said: Any,
    ) -> None:
        """The message is final and becomes a dead letter."""
        first = message.first_failed_at_s or self.now_s
        dead = replace(message, dead_letter=message.place)
        self.settle(dead, state, error=error, attempt=message.attempts, **said)
        self.tell(
            Bury(
                id=message.id,
                dead_letter=dead.dead_letter,
                error=error,
                attempts=message.attempts,
                first_failed_at_s=first,
                last_failed_at_s=self.now_s,
                outcome=outcome,
                replay_count=message.replay_count,
            )
        )

    # -- ending

    def finished(self, *, touched: bool = True) -> Phone:
        """The row with the event's offset and journal; `touched`: the phone is not idle."""
        if self._waits() != self._waits_before():
            self.change(rev=max(self.phone.rev, self._before.rev + 1))
        journal = Journal(
            messages=tuple(self._messages.values()),
            forgotten=tuple(self._forgotten),
            slots=tuple(Slot(priority=p, seq=s, id=i) for (p, s), i in self._slots.items()),
            new_payload=self._new_payload,
            spent_payloads=tuple(self._spent),
            effects=tuple(self._effects),
        )
        touched_s = self.now_s if touched else self.phone.touched_s
        return replace(self.phone, offset=self.offset, journal=journal, touched_s=touched_s)

    def _waits(self) -> tuple[object, ...]:
        row = self.phone
        return row.due_s, row.waits, row.flight

    def _waits_before(self) -> tuple[object, ...]:
        row = self._before
        return row.due_s, row.waits, row.flight
