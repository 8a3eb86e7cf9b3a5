"""The rows as one step has changed them so far: the phone's row, its messages, its queues.

Row changes live inside one call of `step`. They read rows and write none. Each method is one change that
keeps the rows consistent with each other: a message and its slot, a phone and its queues. Every method
that changes something stores the changed value and returns it. No message row is stored, and none
removed, that the life cycle does not allow (lifecycle.py).
"""

from typing import Unpack

from msgspec.structs import replace

from streams.domain import conversation, rate_limit
from streams.domain.consent.state import Consent, is_opted_out
from streams.domain.phone import clock_steps, lifecycle, queue
from streams.domain.phone.events import Event, Priority
from streams.domain.phone.row_reader import RowReader
from streams.domain.phone.state import (
    Message,
    Phone,
    PhoneChanges,
    PriorityQueue,
    State,
)
from streams.domain.phone.values.forgetting import (
    KeptOptOut,
    opt_out_key,
    remainder_id,
)
from streams.domain.policy import Policy


class RowChanges:
    """The working copy of a phone while one event is applied to it."""

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
        """See `step` for the two times."""
        phone = clock_steps.correct_phone(phone, append_s, policy)
        self.phone = phone
        self.offset = offset
        self.now_s = now_s
        self.append_s = append_s
        self.policy = policy
        self._event_type = type(event)
        self._initial_row = phone
        self._rows = rows
        self._stored_messages: dict[str, Message | None] = {}  # as read from the rows
        self._messages: dict[str, Message | None] = {}  # as changed here; None: removed
        self._consent: Consent | None = None
        self._is_consent_read = self._is_consent_changed = False
        self._kept_opt_out: KeptOptOut | None = None  # as changed here
        self._has_kept_opt_out = False  # the consent was read from there
        self._slots: dict[tuple[str, int], str | None] = {}
        self._heads: list[Message] | None = None  # None: something of them has changed

    # -- consent

    def get_consent(self) -> Consent | None:
        """What was decided for this recipient, as this step has left it so far."""
        if not self._is_consent_read:
            self._is_consent_read = True
            self._consent = self._rows.get_consent(self.phone.phone)
            if self._consent is None:
                self._consent = self._rows.get_kept_opt_out(self._get_opt_out_key())
                self._has_kept_opt_out = self._consent is not None
        return self._consent

    def _get_opt_out_key(self) -> str:
        return opt_out_key(self.policy.opt_out_secret, self.phone.phone)

    def is_unwanted(self, message: Message) -> bool:
        """Whether it is a marketing message to a recipient who has opted out."""
        return message.is_marketing and is_opted_out(self.get_consent())

    def put_consent(self, consent: Consent | None) -> Consent | None:
        """Store what was decided; None: it is stored with another number of the same chat."""
        if self._has_kept_opt_out:  # the number has come back, and is no secret any more
            self._kept_opt_out = KeptOptOut(key=self._get_opt_out_key(), consent=None)
        self._is_consent_read = self._is_consent_changed = True
        self._consent = consent
        return consent

    def keep_opt_out(self, consent: Consent) -> Consent:
        """Keep the opt-out of a recipient that is forgotten, without anything that names the recipient."""
        bare = Consent(
            status=consent.status,
            source=consent.source,
            at_s=consent.at_s,
            written_at_s=consent.written_at_s,
        )
        self._kept_opt_out = KeptOptOut(key=self._get_opt_out_key(), consent=bare)
        return bare

    # -- reading

    def get_message(self, request_id: str) -> Message | None:
        """The message as this step has left it so far."""
        if request_id in self._messages:
            return self._messages[request_id]
        if request_id not in self._stored_messages:
            row = self._rows.get_message(self.phone.phone, request_id)
            self._stored_messages[request_id] = row
            if row is not None:
                return self._correct_times(row)
        return self._stored_messages[request_id]

    def get_remainder(self, request_id: str) -> Message | None:
        """What is left of a message of this id that was forgotten a short time ago."""
        if self.phone.forgotten is None and self.phone.forgetting is None:
            return None
        return self.get_message(remainder_id(self.phone.phone, request_id))

    def list_message_ids(self, after: str, max_count: int) -> list[str]:
        """The next ids of the rows of messages after this one; what was changed here may be among them."""
        return self._rows.list_message_ids(self.phone.phone, after, max_count)

    def _correct_times(self, row: Message) -> Message:
        """The message with times that are possible now; they are stored, so that they come closer with each event."""
        corrected = clock_steps.correct_message(row, self.append_s)
        if corrected is not row:
            self._messages[row.id] = corrected
        return corrected

    def _get_slot(self, name: str, seq: int) -> str | None:
        if (name, seq) in self._slots:
            return self._slots[name, seq]
        return self._rows.get_slot(self.phone.phone, name, seq)

    # -- changing the phone

    def update_phone(self, **changes: Unpack[PhoneChanges]) -> Phone:
        """Change fields of the phone's row."""
        self.phone = replace(self.phone, **changes)
        return self.phone

    def record_send_time(self) -> Phone:
        """One more message counts against the limit of this recipient. It arrived before this event was appended."""
        send_times_s = rate_limit.add_send_time(
            self.phone.send_times_s, self.append_s, self.policy.rate_limit_per_minute
        )
        return self.update_phone(
            send_times_s=send_times_s,
            conversation=conversation.add_sent(
                self.phone.conversation, self.append_s, self.policy.conversation_expiry_s
            ),
        )

    def merge_send_times(self, send_times_s: tuple[float, ...]) -> Phone:
        """These count against the limit too: the recipient was reached under another number."""
        merged = rate_limit.merge_send_times(
            self.phone.send_times_s, send_times_s, self.policy.rate_limit_per_minute
        )
        return self.update_phone(send_times_s=merged)

    def record_bulk_skip(self, priority: Priority) -> Phone:
        """A message of this priority was dispatched: bulk may have been skipped once more."""
        self.phone = queue.count_bulk_skip(self.phone, priority)
        self._heads = None
        return self.phone

    def _set_queue(self, name: str, priority_queue: PriorityQueue) -> PriorityQueue:
        self.phone = queue.replace_queue(self.phone, name, priority_queue)
        self._heads = None
        return priority_queue

    # -- changing messages

    def put_message(self, message: Message) -> Message:
        """Store this as the message's row.

        Raises:
            TransitionRefused: its state cannot follow the state that it had.
        """
        before = self._check_change(message.id, message.state)
        if message != before:
            message = replace(message, changed_s=self.append_s)
            self._set_message(message.id, message)
        return message

    def _set_message(self, request_id: str, message: Message | None) -> None:
        self._messages[request_id] = message
        self._heads = None

    def remove_message(self, message: Message) -> Message:
        """The message's row is removed.

        Raises:
            TransitionRefused: something may still happen to the message.
        """
        self._check_change(message.id, lifecycle.Absent.REMOVED)
        self._set_message(message.id, None)
        return message

    def remove_forwarded(self, message: Message) -> Message:
        """The message leaves this recipient, and its row is removed.

        Raises:
            TransitionRefused: it may have been sent from here.
        """
        message = self.dequeue(message)
        self._check_change(message.id, lifecycle.Absent.FORWARDED)
        self._set_message(message.id, None)
        return message

    def _check_change(self, request_id: str, after: lifecycle.Stage) -> Message | None:
        """Returns the message as it is before the change. Raises TransitionRefused."""
        row = self.get_message(request_id)
        before = lifecycle.Absent.NEW if row is None else row.state
        lifecycle.check(self._event_type, before, after)
        return row

    def get_heads(self) -> list[Message]:
        """The first message of each queue and the parked ones, in the order in which they are to be served."""
        if self._heads is None:
            heads = [self._advance_to_head(name) for name in list(self.phone.queues)]
            heads += [self.get_message(parked.id) for parked in self.phone.parked]
            present = [head for head in heads if head is not None]
            self._heads = queue.sort_heads(self.phone, present)
        return list(self._heads)

    def list_waiting_ids(self) -> list[str]:
        """The ids of all messages in queues, of the parked ones and of those that are scheduled or expire."""
        slots = [
            self._get_slot(name, seq)
            for name, priority_queue in self.phone.queues.items()
            for seq in range(priority_queue.head, priority_queue.tail)
        ]
        queued = [request_id for request_id in slots if request_id is not None]
        parked = [parked.id for parked in self.phone.parked]
        return list(dict.fromkeys([*queued, *parked, *self._rows.get_timed_ids(self.phone.phone)]))

    def _advance_to_head(self, name: str) -> Message | None:
        """The first message of a queue. The head moves past empty slots, so none is read twice."""
        priority_queue = self.phone.queue(name)
        for seq in range(priority_queue.head, priority_queue.tail):
            request_id = self._get_slot(name, seq)
            message = self.get_message(request_id) if request_id is not None else None
            if message is not None:
                if seq != priority_queue.head:
                    self._set_queue(name, replace(priority_queue, head=seq))
                return message
        return None

    def enqueue(self, message: Message) -> Message:
        """The message joins the end of its queue and waits."""
        name, arrival = message.queue_name, self.phone.last_arrival + 1
        priority_queue = self.phone.queue(name)
        self._slots[name, priority_queue.tail] = message.id
        self._set_queue(name, queue.enqueue(priority_queue))
        self.update_phone(last_arrival=arrival)
        updated = replace(message, seq=priority_queue.tail, arrival=arrival, state=State.WAITING)
        return self.put_message(updated)

    def dequeue(self, message: Message) -> Message:
        """The message leaves its queue, or the parked or the scheduled messages."""
        if self.phone.is_parked(message.id):
            self.phone = queue.unpark(self.phone, message.id)
            self._heads = None
            return self.put_message(message)
        if message.seq < 0:
            self.update_phone(scheduled_count=self.phone.scheduled_count - 1)
            return self.put_message(message)
        name = message.queue_name
        self._slots[name, message.seq] = None
        self._set_queue(name, queue.dequeue(self.phone.queue(name), message.seq))
        return self.put_message(replace(message, seq=-1))

    def park(self, message: Message) -> Message:
        """The message waits alone from now on, with its arrival, until it is complete."""
        if self.phone.is_parked(message.id):
            return self.put_message(message)
        message = self.dequeue(message)
        self.phone = queue.park(self.phone, message)
        self._heads = None
        return message
