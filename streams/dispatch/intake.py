"""Intake: a record of `wa.outbound` becomes an event of its phone, or is rejected at once.

Every record gets exactly one answer, and none makes this stage raise. Nothing is remembered here:
whether a request is a repeat, and whether the queue has room, is decided where the phone's row is.
"""

import logging
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from streams.contract.errors import InvalidRequest, PartialRequest, Tombstone
from streams.contract.request import content, media
from streams.contract.request.content import MEDIA_CLASSES, ContactContent
from streams.contract.request.parse import Request, parse
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.records.mapper import RecordMapper
from streams.domain.errors import Error
from streams.domain.numbers import InvalidPhone, to_e164
from streams.domain.phone import events
from streams.domain.phone.events import RequestInfo, RequestReceived, SourceRecord

log = logging.getLogger(__name__)


class Disposition(StrEnum):
    """What became of a record."""

    FORWARDED = "forwarded"
    REJECTED = "rejected"
    TOMBSTONE = "tombstone"
    FAILED = "failed"  # rejected, because this program failed on it: a bug


@dataclass(frozen=True, slots=True)
class Intake:
    """What intake needs; `phone_log` is the topic to which valid requests go on."""

    phone_log: str
    record_mapper: RecordMapper
    default_region: str | None
    max_request_bytes: int

    def handle(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        """What is to be published for this record. `now_s` is its append time; nothing else is read."""
        try:
            return self._handle(record, now_s)
        except Exception:
            log.exception("intake failed on %s", record.coordinates)
            error = Error("internal_error", "see the log of the dispatcher")
            rejected = self.record_mapper.map_rejected(record, PartialRequest(), None, error, now_s)
            return Disposition.FAILED, rejected

    def _handle(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        try:
            request = parse(
                record.value, record.headers, max_bytes=self.max_request_bytes, key=record.key
            )
        except Tombstone:
            return Disposition.TOMBSTONE, []
        except InvalidRequest as error:
            return self._reject(record, error.partial, Error(error.code, error.detail), now_s)
        try:
            phone = self._read_number("to", request.to)
            content_json = self._normalize_content(request)
        except InvalidPhone as error:
            partial = _make_partial(request)
            return self._reject(record, partial, Error("invalid_phone", str(error)), now_s)
        except InvalidRequest as error:
            return self._reject(
                record, _make_partial(request), Error(error.code, error.detail), now_s
            )
        event = RequestReceived(
            phone=phone,
            request=_make_request_info(request, record, now_s),
            source_record=record,
            content=content_json,
            reply_to=request.reply_to,
        )
        submitted = OutgoingRecord(self.phone_log, events.encode(event), key=phone.encode())
        return Disposition.FORWARDED, [submitted]

    def reject_as_too_large(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        """The answer to a valid request whose event the phone log does not take."""
        detail = (
            f"the record: is larger than {self.phone_log} takes; set WA_MAX_REQUEST_BYTES lower"
        )
        error = Error("record_too_large", detail)
        request = parse(
            record.value, record.headers, max_bytes=self.max_request_bytes, key=record.key
        )
        return self._reject(record, _make_partial(request), error, now_s)

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

    def _reject(
        self, record: SourceRecord, partial: PartialRequest, error: Error, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        phone = self._parse_phone(partial.to)
        return Disposition.REJECTED, self.record_mapper.map_rejected(
            record, partial, phone, error, now_s
        )

    def _parse_phone(self, to: str | None) -> str | None:
        """The number, if that much of the request can be read."""
        try:
            return to_e164(to, self.default_region) if to else None
        except InvalidPhone:
            return None


def _make_request_info(request: Request, record: SourceRecord, now_s: float) -> RequestInfo:
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
    )


def _make_partial(request: Request) -> PartialRequest:
    return PartialRequest(
        id=request.id,
        to=request.to,
        batch_id=request.batch_id,
        metadata=request.metadata,
        trace=request.trace,
        replay_of=request.replay_of,
        replay_count=request.replay_count,
    )
