"""Intake: a record of `wa.outbound` becomes an event of its phone or batch, or is rejected at once.

Every record gets exactly one answer, and so does each member of a batch. Nothing is remembered here: whether a request
is a repeat, and whether the queue has room, is decided where the phone's row is.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from streams.contract.errors import PartialRequest, Tombstone
from streams.contract.request.kinds import Batch, Cancel, Forget, SetConsent
from streams.contract.request.parse import Request
from streams.dispatch.batches import fan_out
from streams.dispatch.commits.outbox import Outbox
from streams.dispatch.publisher import OutgoingRecord, Publisher
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.request_reader import Rejected, RequestReader, make_partial
from streams.dispatch.templates.library import TemplatesBehind
from streams.domain.batch.events import BatchCancelRequested, BatchOpened, default_id
from streams.domain.errors import Error
from streams.domain.phone import events
from streams.domain.phone.events import (
    CancelRequested,
    ConsentRequested,
    ForgetRequested,
    RequestReceived,
    SourceRecord,
)

log = logging.getLogger(__name__)


class Disposition(StrEnum):
    """What became of a record."""

    FORWARDED = "forwarded"
    FANNED_OUT = "fanned_out"  # a batch: its members were forwarded or rejected
    REJECTED = "rejected"
    TOMBSTONE = "tombstone"
    FAILED = "failed"  # rejected, because this program failed on it: a bug


@dataclass(frozen=True, slots=True)
class Intake:
    """What intake needs; `phone_log` is the topic to which valid requests go on."""

    phone_log: str
    record_mapper: RecordMapper
    reader: RequestReader

    async def process(
        self, record: SourceRecord, now_s: float, publisher: Publisher
    ) -> Disposition:
        """Handle one record: a group of one."""
        [disposition] = await self.process_group([(record, now_s)], publisher)
        return disposition

    async def process_group(
        self, records: Sequence[tuple[SourceRecord, float]], publisher: Publisher
    ) -> list[Disposition]:
        """Handle records, each with its append time; return when everything that follows is on the broker.

        What follows from them is published together, in their order. The members of a batch are published before
        the records behind the batch are handled.
        """
        outbox = Outbox(publisher, self._reject_refused)
        dispositions: list[Disposition] = []
        for record, now_s in records:
            disposition, outgoing = await self.handle_up_to_date(record, now_s)
            await outbox.put(outgoing, now_s)
            if disposition is Disposition.FANNED_OUT:
                disposition = await self._fan_out(record, now_s, outbox)
            dispositions.append(disposition)
        await outbox.flush()
        return [
            Disposition.REJECTED if record.coordinates in outbox.rejected else disposition
            for (record, _), disposition in zip(records, dispositions, strict=True)
        ]

    async def handle_up_to_date(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        """Like `handle`. The templates are brought up to date first, if the record needs that."""
        try:
            return self.handle(record, now_s)
        except TemplatesBehind:
            await self.reader.templates.catch_up(now_s)
            return self.handle(record, now_s)

    def handle(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        """What is to be published for this record. `now_s` is its append time; only the templates are read beside it.

        Of a batch it is nothing: `process` handles its members one by one.

        Raises:
            TemplatesBehind: the record names a template, and the library must catch up first.
        """
        try:
            return self._handle(record, now_s)
        except TemplatesBehind:
            raise
        except Exception:
            log.exception("intake failed on %s", record.coordinates)
            return Disposition.FAILED, self._reject_failed(record, now_s)

    def _handle(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        try:
            match request := self.reader.parse(record):
                case Batch():
                    return Disposition.FANNED_OUT, []
                case Cancel():
                    return Disposition.FORWARDED, [self._make_cancel(request, record)]
                case SetConsent():
                    return Disposition.FORWARDED, [self._make_consent(request, record)]
                case Forget():
                    return Disposition.FORWARDED, [self._make_forget(request, record)]
                case Request():
                    event = self.reader.make_event(request, record, now_s)
                    return Disposition.FORWARDED, [self._make_record(event)]
        except Tombstone:
            return Disposition.TOMBSTONE, []
        except Rejected as rejected:
            answer = self._reject(record, rejected.partial, rejected.error, now_s)
            return Disposition.REJECTED, answer

    def _make_record(
        self, event: RequestReceived | CancelRequested | ConsentRequested | ForgetRequested
    ) -> OutgoingRecord:
        return OutgoingRecord(self.phone_log, events.encode(event), key=event.phone.encode())

    # -- a batch

    async def _fan_out(self, record: SourceRecord, now_s: float, outbox: Outbox) -> Disposition:
        """The events and answers of all members, then what opens the batch: a cancel of it must find them there."""
        try:
            batch = self.reader.parse(record)
            assert isinstance(batch, Batch)
            member_records = list(fan_out.split(batch, record))
        except Exception:
            log.exception("intake failed on %s", record.coordinates)
            await outbox.put(self._reject_failed(record, now_s), now_s)
            return Disposition.FAILED
        members: list[tuple[str, str] | None] = []
        for member_record in member_records:
            _, outgoing = await self.handle_up_to_date(member_record, now_s)
            members.append(self._find_member(outgoing, batch.batch_id, member_record))
            await outbox.put(outgoing, now_s)
        await outbox.flush()
        opened = BatchOpened(
            batch_id=batch.batch_id, first=batch.first, total=batch.total, members=tuple(members)
        )
        await outbox.put([self.record_mapper.batches.make_record(opened)], now_s)
        return Disposition.FANNED_OUT

    def _find_member(
        self, outgoing: list[OutgoingRecord], batch_id: str, record: SourceRecord
    ) -> tuple[str, str] | None:
        """Phone and id of a member that was forwarded."""
        (first, *_) = outgoing
        if first.topic != self.phone_log:
            return None
        event = events.decode(first.value or b"")
        assert isinstance(event, RequestReceived)
        assert record.member is not None
        is_default = event.request.id == default_id(batch_id, record.member)
        return event.phone, "" if is_default else event.request.id

    # -- a cancel

    def _make_cancel(self, cancel: Cancel, record: SourceRecord) -> OutgoingRecord:
        """Raises Rejected."""
        cancel_id = cancel.request_id or record.coordinates
        if cancel.batch_id is not None:
            event = BatchCancelRequested(
                batch_id=cancel.batch_id,
                cancel_id=cancel_id,
                source_record=record,
                trace=cancel.trace,
            )
            return self.record_mapper.batches.make_record(event)
        return self._make_record(
            CancelRequested(
                phone=self.reader.read_recipient(cancel),
                id=cancel.id,
                cancel_id=cancel_id,
                source_record=record,
                trace=cancel.trace,
            )
        )

    # -- a consent

    def _make_consent(self, request: SetConsent, record: SourceRecord) -> OutgoingRecord:
        """Raises Rejected."""
        return self._make_record(
            ConsentRequested(
                phone=self.reader.read_recipient(request),
                consent=request.consent,
                request_id=request.request_id or record.coordinates,
                source_record=record,
                trace=request.trace,
            )
        )

    # -- forgetting

    def _make_forget(self, request: Forget, record: SourceRecord) -> OutgoingRecord:
        """Raises Rejected."""
        return self._make_record(
            ForgetRequested(
                phone=self.reader.read_recipient(request),
                request_id=request.request_id or record.coordinates,
                source_record=record,
                keep_opt_out=request.keep_opt_out,
                trace=request.trace,
            )
        )

    # -- rejecting

    def _reject_refused(
        self, refused: OutgoingRecord, now_s: float
    ) -> tuple[str, list[OutgoingRecord]]:
        """The coordinates of a valid request whose event the phone log does not take, and its answer."""
        if refused.topic != self.phone_log:
            return "", []
        event = events.decode(refused.value or b"")
        assert isinstance(
            event, RequestReceived | CancelRequested | ConsentRequested | ForgetRequested
        )
        record = event.source_record
        assert record is not None
        detail = (
            f"the record: is larger than {self.phone_log} takes; set WA_MAX_REQUEST_BYTES lower"
        )
        partial = make_partial(self.reader.parse(record))
        answer = self._reject(record, partial, Error("record_too_large", detail), now_s)
        return record.coordinates, answer

    def _reject_failed(self, record: SourceRecord, now_s: float) -> list[OutgoingRecord]:
        error = Error("internal_error", "see the log of the dispatcher")
        return self._reject(record, PartialRequest(), error, now_s)

    def _reject(
        self, record: SourceRecord, partial: PartialRequest, error: Error, now_s: float
    ) -> list[OutgoingRecord]:
        """The dead letter and the status; if it is a member of a batch, the batch counts it."""
        member = fan_out.read_member(record.headers)
        if member is not None:
            member_id = partial.id or default_id(member.batch_id, member.index)
            partial = replace(partial, id=member_id, batch_id=member.batch_id)
        phone = self.reader.find_phone(partial.to)
        answer = self.record_mapper.map_rejected(record, partial, phone, error, now_s)
        if member is not None:
            answer += self.record_mapper.batches.join([(member, "rejected")])
        return answer
