"""Intake: a record of `wa.outbound` becomes an event of its phone, or is rejected at once.

Every record gets exactly one answer. Nothing is remembered here: whether a request is a repeat, and whether the
queue has room, is decided where the phone's row is.
"""

import logging
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from streams.contract.errors import InvalidRequest, PartialRequest, Tombstone
from streams.contract.request import content, media, not_built_yet
from streams.contract.request.content import (
    MEDIA_CLASSES,
    ContactContent,
    Content,
    TemplateContent,
)
from streams.contract.request.parse import Request, parse
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.templates.library import TemplateLibrary, TemplateRefused, TemplatesBehind
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
    templates: TemplateLibrary

    async def handle_up_to_date(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        """Like `handle`. The templates are brought up to date first, if the record needs that."""
        try:
            return self.handle(record, now_s)
        except TemplatesBehind:
            await self.templates.catch_up(now_s)
            return self.handle(record, now_s)

    def handle(
        self, record: SourceRecord, now_s: float
    ) -> tuple[Disposition, list[OutgoingRecord]]:
        """What is to be published for this record. `now_s` is its append time; only the templates are read beside it.

        Raises:
            TemplatesBehind: the record names a template, and the library must catch up first.
        """
        try:
            return self._handle(record, now_s)
        except TemplatesBehind:
            raise
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
            if isinstance(request.content, TemplateContent):
                request, content_json, refusal = self._render(request, request.content, now_s)
            else:
                normalized, refusal = self._normalize_content(request.content), None
                is_changed = normalized is not request.content
                content_json = content.encode(normalized) if is_changed else request.content_json
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
            refusal=refusal,
        )
        submitted = OutgoingRecord(self.phone_log, events.encode(event), key=phone.encode())
        return Disposition.FORWARDED, [submitted]

    def _render(
        self, request: Request, template: TemplateContent, now_s: float
    ) -> tuple[Request, bytes, Error | None]:
        """The request with the category of its template, and the content, or why there is none.

        Where the phone's row is, it is decided whether that matters: a repeat of an accepted request is answered with
        its last status, also if its template was removed meanwhile.
        """
        try:
            rendered, category = self.templates.render(template, request.category, now_s)
            not_built_yet.refuse_content(rendered)
            content_json = content.encode(self._normalize_content(rendered))
            return replace(request, category=category), content_json, None
        except TemplateRefused as refused:
            return request, b"", refused.error
        except InvalidRequest as error:
            return request, b"", Error(error.code, error.detail)
        except InvalidPhone as error:
            return request, b"", Error("invalid_phone", str(error))

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

    def _normalize_content(self, value: Content) -> Content:
        """The content as it is sent. The numbers on a contact's card are read like the recipient's, and what a file is
        follows from its bytes.
        """
        if isinstance(value, MEDIA_CLASSES):
            return media.complete(value)
        if not isinstance(value, ContactContent):
            return value
        phones = [
            self._read_number(f"content.phones[{index}]", number)
            for index, number in enumerate(value.phones)
        ]
        return replace(value, phones=phones)

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
