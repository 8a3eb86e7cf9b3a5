"""What follows from a row or a request, as records for `wa.status`, `wa.dlq` and the send topics.

This file only puts into the contract's form what was decided elsewhere. It reads rows and writes
nothing. What is missing of an effect is returned as a `MissingPayload`: nothing is dropped in silence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.contract.errors import PartialRequest
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.records.batch_events import BatchRecords, MemberChange
from streams.dispatch.records.consents import ConsentRecords
from streams.dispatch.records.context import EffectContext, MissingPayload
from streams.dispatch.records.dead_letters import DeadLetterRecords, describe_cut
from streams.dispatch.records.forgetting import ForgetRecords
from streams.dispatch.records.statuses import StatusRecords
from streams.domain.errors import Error
from streams.domain.phone import events
from streams.domain.phone.effects import (
    Dispatch,
    Effect,
    ForwardCancel,
    ForwardEvent,
    ForwardRequest,
    InstructForget,
    PublishConsent,
    PublishDeadLetter,
    PublishForgetReport,
    PublishStatus,
    RequestReply,
)
from streams.domain.phone.events import (
    CancelRequested,
    ConsentRequested,
    Event,
    ForgetRequested,
    RequestReceived,
    SourceRecord,
)
from streams.domain.phone.state import Payload, Phone
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand
from streams.kafka.topics import Names


@dataclass(frozen=True, slots=True)
class MappedRow:
    """The records that follow from a row, in order, and what is missing among them."""

    records: list[OutgoingRecord]
    missing_payloads: list[MissingPayload]
    dispatches: list[tuple[Dispatch, OutgoingRecord | None]]  # with the record for the sender
    member_changes: list[MemberChange]  # for the batches; those of a commit are joined

    def find_undispatched(self, refused: Sequence[OutgoingRecord]) -> list[tuple[Dispatch, Error]]:
        """The dispatches of which no sender gets to know, and why; `refused` are too large for their topics."""
        found: list[tuple[Dispatch, Error]] = []
        for effect, record in self.dispatches:
            if record is None:
                found.append(
                    (effect, Error("internal_error", "the content of the message is lost"))
                )
            elif record in refused:
                detail = f"the dispatch is larger than {record.topic} takes; set WA_MAX_REQUEST_BYTES lower"
                found.append((effect, Error("record_too_large", detail)))
        return found


class RecordMapper:
    """Knows the topics; `send_topic_for` names the send topic of an account."""

    def __init__(
        self,
        status_topic: str,
        dlq_topic: str,
        phone_log: str,
        send_topic_for: Callable[[str], str],
        batch_log: str,
        consent_topic: str,
        outbound: str,
        forget_topic: str,
    ) -> None:
        self._phone_log = phone_log
        self._statuses = StatusRecords(status_topic)
        self._dead_letters = DeadLetterRecords(dlq_topic)
        self._send_topic_for = send_topic_for
        self.batches = BatchRecords(batch_log)
        self.consents = ConsentRecords(consent_topic, outbound)
        self._forgetting = ForgetRecords(forget_topic)

    # -- effects of a row

    def map_row(
        self, row: Phone, event: Event, store: PhoneStore, *, is_republished: bool
    ) -> MappedRow:
        """What the event that wrote this row caused. The row is durable already."""
        context = EffectContext(row, event, store, is_republished)
        mapped = MappedRow([], [], [], [])
        for effect in row.journal.effects:
            record = self._map_effect(effect, context)
            if record is not None:
                mapped.records.append(record)
            if isinstance(effect, PublishStatus):
                echo_source = context.get_echo_source(effect.id)
                mapped.member_changes.extend(self.batches.map_status(effect, echo_source, event))
            if isinstance(effect, Dispatch):
                mapped.dispatches.append((effect, record))
        mapped.missing_payloads.extend(context.missing_payloads)
        return mapped

    def _map_effect(self, effect: Effect, context: EffectContext) -> OutgoingRecord | None:
        match effect:
            case PublishStatus():
                echo_source = context.get_echo_source(effect.id)
                requested_phone = context.get_requested_phone(effect.id, echo_source)
                is_accepted = effect.status == "accepted"
                template = context.get_template(effect.id) if is_accepted else None
                return self._statuses.map_effect(
                    context.phone, effect, echo_source, requested_phone, template
                )
            case Dispatch():
                payload = context.get_payload(effect.id)
                if payload is None:
                    context.add_missing(effect)
                    return None
                return self._map_dispatch(context, effect, payload)
            case PublishDeadLetter():
                record = context.get_source_record(effect)
                if record is None and context.add_missing(effect) == "already_published":
                    return None
                return self._dead_letters.map_effect(context.get_account(effect.id), effect, record)
            case PublishConsent() | RequestReply() | PublishForgetReport() | InstructForget():
                return self._map_about_recipient(context.phone, effect)
            case ForwardCancel() | ForwardEvent():
                key = effect.event.phone.encode()
                return OutgoingRecord(self._phone_log, events.encode(effect.event), key=key)
            case ForwardRequest():
                request = context.get_forwarded_request(effect)
                if request is None:
                    return None
                return OutgoingRecord(
                    self._phone_log, events.encode(request), key=request.phone.encode()
                )

    def _map_about_recipient(
        self,
        phone: str,
        effect: PublishConsent | RequestReply | PublishForgetReport | InstructForget,
    ) -> OutgoingRecord:
        if isinstance(effect, PublishConsent | RequestReply):
            return self.consents.map_effect(phone, effect)
        return self._forgetting.map_effect(phone, effect)

    def _map_dispatch(
        self, context: EffectContext, effect: Dispatch, payload: Payload
    ) -> OutgoingRecord:
        send_command = SendCommand(
            phone=context.phone,
            id=effect.id,
            dispatch_number=effect.dispatch_number,
            account=effect.account,
            timeout_s=effect.timeout_s,
            submit_before_s=effect.submit_before_s,
            content=payload.content,
            reply_to=effect.changed_whatsapp_id or payload.reply_to,
            chat_id=effect.chat_id,
            allow_duplicate=effect.allow_duplicate,
            generation=effect.generation,
            was_claimed=effect.was_claimed,
            accepted_offset=effect.accepted_offset,
            trace=context.get_echo_source(effect.id).trace,
        )
        key = context.phone.encode()
        return OutgoingRecord(
            self._send_topic_for(effect.account),
            command.encode(send_command),
            key=key,
            headers=send_command.trace,
        )

    # -- answers to a request that has no row

    def map_rejected(
        self,
        record: SourceRecord,
        partial: PartialRequest,
        phone: str | None,
        error: Error,
        now_s: float,
    ) -> list[OutgoingRecord]:
        """The dead letter and the status of a record that is not a valid request."""
        request_id = partial.id or record.coordinates
        letter = self._dead_letters.map_unattempted(
            request_id, record, error, partial.replay_count, now_s
        )
        if cut := describe_cut(letter.headers):
            error = Error(error.code, f"{error.detail}; {cut}" if error.detail else cut)
        return [letter, self._statuses.map_rejection(record, partial, phone, error, now_s)]

    def map_failed(
        self,
        event: CancelRequested | ConsentRequested | ForgetRequested,
        record: SourceRecord,
        now_s: float,
    ) -> list[OutgoingRecord]:
        """The answer to a request about a recipient on which this program itself failed."""
        error = Error("internal_error", "see the log of the dispatcher")
        id_ = event.cancel_id if isinstance(event, CancelRequested) else event.request_id
        partial = PartialRequest(id=id_ or None, trace=event.trace)
        return self.map_rejected(record, partial, event.phone, error, now_s)

    def map_internal_error(self, event: RequestReceived, now_s: float) -> list[OutgoingRecord]:
        """The dead letter and the status of a request on which this program itself failed."""
        error = Error("internal_error", "see the log of the dispatcher")
        request, record = event.request, event.source_record
        status_effect = PublishStatus(
            id=request.id,
            status="failed",
            event_id_suffix=record.coordinates,
            at_s=now_s,
            error=error,
        )
        return [
            self._dead_letters.map_unattempted(
                request.id, record, error, request.replay_count, now_s
            ),
            self._statuses.map_effect(
                event.phone,
                status_effect,
                request,
                event.forwarding.requested_phone if event.forwarding else None,
            ),
            *self.batches.join(self.batches.map_status(status_effect, request, event)),
        ]


def create_record_mapper(names: Names) -> RecordMapper:
    """The mapper for the topics of these names."""
    return RecordMapper(
        names.status,
        names.dlq,
        names.phone,
        names.send,
        names.batch,
        names.consent,
        names.outbound,
        names.forget,
    )
