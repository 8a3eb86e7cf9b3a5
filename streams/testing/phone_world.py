"""A phone, its rows and a sender that a test controls: the world around `step`, in memory.

It applies a journal exactly as the phone stage does, and records every effect and every change of a
message's state. It decides nothing: every decision under test is made by `step`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.domain.accounts.routing import Capacity
from streams.domain.consent.state import Consent
from streams.domain.phone.effects import (
    Dispatch,
    Effect,
    ForwardRequest,
    PublishDeadLetter,
    PublishStatus,
)
from streams.domain.phone.events import (
    Event,
    FlightOverdue,
    Outcome,
    Priority,
    RequestInfo,
    RequestReceived,
    Result,
    SourceRecord,
    TimerFired,
)
from streams.domain.phone.lifecycle import Absent, IllegalTransition, Stage
from streams.domain.phone.state import Message, Phone
from streams.domain.phone.step import step
from streams.domain.policy import Policy
from streams.domain.sending.command import SendCommand
from streams.testing.fixed_capacities import FixedCapacities

PHONE = "+60123456789"
READY = {"main": Capacity(is_ready=True, free_slots=8)}


@dataclass
class PhoneWorld:
    """One phone, or one of several (`phone`). The test moves `now_s`; every event gets the next offset of the log.

    With `append_s`, the broker's clock has jumped ahead of it.
    """

    phone: str = PHONE
    policy: Policy = field(default_factory=Policy)
    accounts: Mapping[str, Capacity] = field(default_factory=lambda: dict(READY))
    now_s: float = 1_000_000.0
    append_s: float | None = None
    offset: int = 0
    row: Phone | None = None
    messages: dict[str, Message] = field(default_factory=dict)
    slots: dict[tuple[str, int], str] = field(default_factory=dict)
    payloads: set[str] = field(default_factory=set)
    consent: Consent | None = None
    kept_opt_outs: dict[str, Consent] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    changes: list[tuple[type[Event], Stage, Stage]] = field(default_factory=list)

    # -- the rows that a step reads

    def get_message(self, phone: str, request_id: str) -> Message | None:
        """See `RowReader`."""
        assert phone == self.phone
        return self.messages.get(request_id)

    def get_slot(self, phone: str, queue: str, seq: int) -> str | None:
        """See `RowReader`."""
        assert phone == self.phone
        return self.slots.get((queue, seq))

    def get_consent(self, phone: str) -> Consent | None:
        """See `RowReader`."""
        assert phone == self.phone
        return self.consent

    def get_kept_opt_out(self, key: str) -> Consent | None:
        """See `RowReader`."""
        return self.kept_opt_outs.get(key)

    def list_message_ids(self, phone: str, after: str, max_count: int) -> list[str]:
        """See `RowReader`."""
        assert phone == self.phone
        return sorted(id_ for id_ in self.messages if id_ > after)[:max_count]

    def get_timed_ids(self, phone: str) -> list[str]:
        """See `RowReader`."""
        assert phone == self.phone
        return sorted(m.id for m in self.messages.values() if m.wake_at_s)

    # -- what happens

    def apply(self, event: Event) -> list[Effect]:
        """Apply one event and store what it changed; returns what it caused.

        Raises:
            AssertionError: `step` found its own change illegal, which is a bug of it.
        """
        row = self.step(event)
        assert not isinstance(row, IllegalTransition), row
        if row is None:
            return []
        self._record_changes(event, row)
        self._write_rows(row)
        effects = list(row.journal.effects)
        self.effects += effects
        return effects

    def step(self, event: Event) -> Phone | IllegalTransition | None:
        """What `step` makes of the event; nothing is stored."""
        self.offset += 1
        return step(
            self.row,
            event,
            offset=self.offset,
            now_s=self.now_s,
            append_s=self.append_s,
            accounts=FixedCapacities(self.accounts),
            rows=self,
            policy=self.policy,
        )

    def _record_changes(self, event: Event, row: Phone) -> None:
        for message in row.journal.messages:
            before = self.messages.get(message.id)
            previous_state = Absent.NEW if before is None else before.state
            self.changes.append((type(event), previous_state, message.state))
        forwarded = {e.id for e in row.journal.effects if isinstance(e, ForwardRequest)}
        for request_id in row.journal.removed_messages:
            message = self.messages.get(request_id)  # None: it came and went in one step
            before = Absent.NEW if message is None else message.state
            after = Absent.FORWARDED if request_id in forwarded else Absent.REMOVED
            self.changes.append((type(event), before, after))

    def _write_rows(self, row: Phone) -> None:
        journal = row.journal
        self.row = None if row.is_removed else row
        self.messages |= {message.id: message for message in journal.messages}
        for request_id in journal.removed_messages:
            self.messages.pop(request_id, None)
        for slot in journal.slots:
            if slot.id is None:
                self.slots.pop((slot.queue, slot.seq), None)
            else:
                self.slots[slot.queue, slot.seq] = slot.id
        if journal.consent is not None or journal.is_consent_removed:
            self.consent = journal.consent
        if journal.kept_opt_out is not None:
            self.kept_opt_outs.pop(journal.kept_opt_out.key, None)
            if journal.kept_opt_out.consent is not None:
                self.kept_opt_outs[journal.kept_opt_out.key] = journal.kept_opt_out.consent
        if journal.new_payload_id is not None:
            self.payloads.add(journal.new_payload_id)
        self.payloads -= set(journal.removed_payloads)

    def submit(
        self, request_id: str, priority: Priority = "normal", **fields: object
    ) -> list[Effect]:
        """A request arrives; its record's offset is that of the event."""
        request_fields = {"id": request_id, "priority": priority, **fields}
        record = SourceRecord(topic="wa.outbound", partition=0, offset=self.offset, value=b"{}")
        event = RequestReceived(
            phone=self.phone,
            request=RequestInfo(**request_fields),
            source_record=record,
            content=b"{}",
        )  # pyright: ignore[reportArgumentType]
        return self.apply(event)

    def conclude(self, result: Result, *, chat_id: str | None = None) -> list[Effect]:
        """The sender answers the dispatch that is in flight."""
        assert self.row is not None
        assert self.row.in_flight is not None
        in_flight = self.row.in_flight
        return self.apply(
            make_outcome(
                result,
                phone=self.phone,
                id=in_flight.id,
                dispatch_number=in_flight.dispatch_number,
                account=in_flight.account,
                chat_id=chat_id,
            )
        )

    def fire_timer(self) -> list[Effect]:
        """The phone's timer fires now."""
        assert self.row is not None
        return self.apply(TimerFired(phone=self.phone, timer_version=self.row.timer_version))

    def wait_for_timer(self) -> list[Effect]:
        """The phone's timer fires at its time; now, if it waits for none."""
        assert self.row is not None
        self.now_s = max(self.now_s, self.row.timer_at_s)
        return self.fire_timer()

    def report_overdue(self) -> list[Effect]:
        """The dispatch that is in flight has no outcome."""
        assert self.row is not None
        assert self.row.in_flight is not None
        in_flight = self.row.in_flight
        return self.apply(
            FlightOverdue(
                phone=PHONE,
                id=in_flight.id,
                dispatch_number=in_flight.dispatch_number,
                whatsapp_id=f"3EB0{in_flight.id}",
            )
        )

    # -- what was published

    def statuses(self, request_id: str) -> list[str]:
        """The statuses of a message, in order."""
        return [
            e.status for e in self.effects if isinstance(e, PublishStatus) and e.id == request_id
        ]

    def dispatched_ids(self) -> list[str]:
        """The ids that were dispatched to a sender, in order."""
        return [effect.id for effect in self.effects if isinstance(effect, Dispatch)]

    def dead_letters(self) -> list[PublishDeadLetter]:
        """The dead letters."""
        return [effect for effect in self.effects if isinstance(effect, PublishDeadLetter)]


def make_outcome(
    result: Result,
    *,
    phone: str = PHONE,
    id: str = "a",
    dispatch_number: int = 1,
    account: str = "main",
    chat_id: str | None = None,
    accepted_offset: int = -1,
) -> Outcome:
    """What the sender of this dispatch publishes."""
    return Outcome(
        phone=phone,
        id=id,
        dispatch_number=dispatch_number,
        account=account,
        whatsapp_id=f"3EB0{id}",
        result=result,
        chat_id=chat_id,
        accepted_offset=accepted_offset,
    )


def make_command(
    dispatch: Dispatch, *, appended_at_s: float, phone: str = PHONE, offset: int = 0
) -> SendCommand:
    """The command that its sender reads, as the broker appended it at this time and offset."""
    return SendCommand(
        phone=phone,
        id=dispatch.id,
        dispatch_number=dispatch.dispatch_number,
        account=dispatch.account,
        timeout_s=dispatch.timeout_s,
        content=b"{}",
        was_claimed=dispatch.was_claimed,
        accepted_offset=dispatch.accepted_offset,
        appended_at_s=appended_at_s,
        offset=offset,
    )
