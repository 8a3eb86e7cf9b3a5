"""Intake: a record of `wa.outbound` becomes an event of its phone or batch, or is rejected at once.

Every record gets exactly one answer, and so does each member of a batch. None makes this stage raise. Nothing is
remembered here: whether a request is a repeat, and whether the queue has room, is decided where the phone's row is.
"""

import logging
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from streams.contract.errors import InvalidRequest, PartialRequest, Tombstone
from streams.contract.request import content, media
from streams.contract.request.content import MEDIA_CLASSES, ContactContent
from streams.contract.request.kinds import Batch, Cancel
from streams.contract.request.parse import Request, parse, parse_record
from streams.dispatch.batches import fan_out
from streams.dispatch.publisher import OutgoingRecord, Publisher
from streams.dispatch.records.mapper import RecordMapper
from streams.domain.batch.events import BatchCancelRequested, BatchOpened, default_id
from streams.domain.errors import Error
from streams.domain.numbers import InvalidPhone, to_e164
from streams.domain.phone import events
from streams.domain.phone.events import (
    CancelRequested,
    RequestInfo,
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


class _Rejected(Exception):
    """The request is not valid, and this is its answer."""

    def __init__(self, partial: PartialRequest, error: Error) -> None:
        super().__init__(error.code)
        self.partial = partial
        self.error = error


@dataclass(frozen=True, slots=True)
class Intake:
    """What intake needs; `phone_log` is the topic to which valid requests go on."""

    phone_log: str
    record_mapper: RecordMapper
    default_region: str | None
    max_request_bytes: int

    async def process(
        self, record: SourceRecord, now_s: float, publisher: Publisher
    ) -> Disposition:
        """Handle the record; return when everything that follows from it is on the broker."""
        disposition, records = self.handle(record, now_s)
        # A batch is opened when its members are in the phone log: a cancel of the batch must find them there.
        is_batch = disposition is Disposition.FANNED_OUT
        phases = [records[:-1], records[-1:]] if is_batch else [records]
        for phase in phases:
            for refused in await publisher.publish(phase):
                rejection = self._reject_refused(refused, now_s)
                await publisher.publish(rejection)
                if rejection and not is_batch:
                    disposition = Disposition.REJECTED
        return disposition

    def handle(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        """What is to be published for this record. `now_s` is its append time; nothing else is read."""
        try:
            return self._handle(record, now_s)
        except Exception:
            log.exception("intake failed on %s", record.coordinates)
            error = Error("internal_error", "see the log of the dispatcher")
            return Disposition.FAILED, self._reject(record, PartialRequest(), error, now_s)

    def _handle(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        try:
            match request := self._parse(record):
                case Batch():
                    return Disposition.FANNED_OUT, self._fan_out(request, record, now_s)
                case Cancel():
                    return Disposition.FORWARDED, [self._make_cancel(request, record)]
                case Request():
                    event = self._make_event(request, record, now_s)
                    return Disposition.FORWARDED, [self._make_record(event)]
        except Tombstone:
            return Disposition.TOMBSTONE, []
        except _Rejected as rejected:
            answer = self._reject(record, rejected.partial, rejected.error, now_s)
            return Disposition.REJECTED, answer

    def _parse(self, record: SourceRecord) -> Request | Batch | Cancel:
        """Raises Tombstone and _Rejected."""
        try:
            if record.member is not None:
                return parse(record.value, record.headers, max_bytes=self.max_request_bytes)
            return parse_record(
                record.value, record.headers, max_bytes=self.max_request_bytes, key=record.key
            )
        except InvalidRequest as error:
            raise _Rejected(error.partial, Error(error.code, error.detail)) from error

    # -- one message

    def _make_event(self, request: Request, record: SourceRecord, now_s: float) -> RequestReceived:
        """Raises _Rejected."""
        try:
            phone = self._read_number("to", request.to)
            content_json = self._normalize_content(request)
        except InvalidPhone as error:
            raise _Rejected(_make_partial(request), Error("invalid_phone", str(error))) from error
        except InvalidRequest as error:
            wrong = Error(error.code, error.detail)
            raise _Rejected(_make_partial(request), wrong) from error
        return RequestReceived(
            phone=phone,
            request=_make_request_info(request, record, now_s),
            source_record=record,
            content=content_json,
            reply_to=request.reply_to,
        )

    def _make_record(self, event: RequestReceived | CancelRequested) -> OutgoingRecord:
        return OutgoingRecord(self.phone_log, events.encode(event), key=event.phone.encode())

    def _normalize_content(self, request: Request) -> bytes:
        """The content as JSON. The numbers on a contact's card are read like the recipient's, and what a file is
        follows from its bytes.
        """
        if isinstance(request.content, MEDIA_CLASSES):
            return content.encode(media.complete(request.content))
        if not isinstance(request.content, ContactContent):
            return request.content_json
        phones = [
            self._read_number(f"content.phones[{index}]", number)
            for index, number in enumerate(request.content.phones)
        ]
        return content.encode(replace(request.content, phones=phones))

    def _read_number(self, field: str, text: str) -> str:
        try:
            return to_e164(text, self.default_region)
        except InvalidPhone as error:
            raise InvalidPhone(f"{field}: {error}") from error

    # -- a batch

    def _fan_out(self, batch: Batch, record: SourceRecord, now_s: float) -> list[OutgoingRecord]:
        """The events and answers of all members, then what opens the batch."""
        records: list[OutgoingRecord] = []
        members: list[tuple[str, str] | None] = []
        for member_record in fan_out.split(batch, record):
            _, outgoing = self.handle(member_record, now_s)
            records += outgoing
            members.append(self._find_member(outgoing, batch.batch_id, member_record))
        opened = BatchOpened(
            batch_id=batch.batch_id, first=batch.first, total=batch.total, members=tuple(members)
        )
        return [*records, self.record_mapper.batches.make_record(opened)]

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
        """Raises _Rejected."""
        cancel_id = cancel.request_id or record.coordinates
        if cancel.batch_id is not None:
            event = BatchCancelRequested(
                batch_id=cancel.batch_id,
                cancel_id=cancel_id,
                source_record=record,
                trace=cancel.trace,
            )
            return self.record_mapper.batches.make_record(event)
        try:
            phone = self._read_number("to", cancel.to or "")
        except InvalidPhone as error:
            raise _Rejected(_make_partial(cancel), Error("invalid_phone", str(error))) from error
        return self._make_record(
            CancelRequested(
                phone=phone,
                id=cancel.id,
                cancel_id=cancel_id,
                source_record=record,
                trace=cancel.trace,
            )
        )

    # -- rejecting

    def _reject_refused(self, refused: OutgoingRecord, now_s: float) -> list[OutgoingRecord]:
        """The answer to a valid request whose event the phone log does not take."""
        if refused.topic != self.phone_log:
            return []
        event = events.decode(refused.value or b"")
        assert isinstance(event, RequestReceived | CancelRequested)
        assert event.source_record is not None
        return self.reject_as_too_large(event.source_record, now_s)

    def reject_as_too_large(self, record: SourceRecord, now_s: float) -> list[OutgoingRecord]:
        """The answer to a valid request that is too large for the phone log."""
        detail = (
            f"the record: is larger than {self.phone_log} takes; set WA_MAX_REQUEST_BYTES lower"
        )
        error = Error("record_too_large", detail)
        request = self._parse(record)
        return self._reject(record, _make_partial(request), error, now_s)

    def _reject(
        self, record: SourceRecord, partial: PartialRequest, error: Error, now_s: float
    ) -> list[OutgoingRecord]:
        """The dead letter and the status; if it is a member of a batch, the batch counts it."""
        member = fan_out.read_member(record.headers)
        if member is not None:
            member_id = partial.id or default_id(member.batch_id, member.index)
            partial = replace(partial, id=member_id, batch_id=member.batch_id)
        phone = self._parse_phone(partial.to)
        answer = self.record_mapper.map_rejected(record, partial, phone, error, now_s)
        if member is not None:
            answer.append(self.record_mapper.batches.make_changed(member, "rejected"))
        return answer

    def _parse_phone(self, to: str | None) -> str | None:
        """The number, if that much of the request can be read."""
        try:
            return to_e164(to, self.default_region) if to else None
        except InvalidPhone:
            return None


def _make_request_info(request: Request, record: SourceRecord, now_s: float) -> RequestInfo:
    member = fan_out.read_member(record.headers)
    return RequestInfo(
        id=request.id or record.coordinates,
        priority=request.priority,
        category=request.category,
        send_at_s=request.send_at_s,
        expires_at_s=request.get_expires_at_s(now_s),
        account=request.account,
        batch_id=request.batch_id,
        metadata=request.metadata,
        trace=request.trace,
        replay_of=request.replay_of,
        replay_count=request.replay_count,
        allow_duplicate=request.is_replay_forced,
        members=() if member is None else (member,),
    )


def _make_partial(request: Request | Batch | Cancel) -> PartialRequest:
    match request:
        case Cancel():
            return PartialRequest(id=request.request_id, to=request.to, trace=request.trace)
        case Batch():
            return PartialRequest(batch_id=request.batch_id, trace=request.trace)
        case Request():
            return PartialRequest(
                id=request.id,
                to=request.to,
                batch_id=request.batch_id,
                metadata=request.metadata,
                trace=request.trace,
                replay_of=request.replay_of,
                replay_count=request.replay_count,
            )
