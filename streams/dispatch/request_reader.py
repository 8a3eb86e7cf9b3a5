"""Reads a record of `wa.outbound`: a request becomes the event of its phone, with its content as it is sent.

Numbers are normalized here, files are completed, and templates are rendered. What is wrong with a request is raised as
`Rejected`, with as much of it as could be read. Nothing is published and nothing is answered here.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from streams.contract.errors import InvalidRequest, PartialRequest
from streams.contract.request import content, media, media_url
from streams.contract.request.changes import EditContent, RevokeContent
from streams.contract.request.content import (
    MEDIA_CLASSES,
    ContactContent,
    Content,
    TemplateContent,
)
from streams.contract.request.kinds import Batch, Cancel, Forget, SetConsent
from streams.contract.request.parse import AnyRequest, Request, parse, parse_record
from streams.dispatch.batches import fan_out
from streams.dispatch.templates.library import TemplateLibrary, TemplateRefused
from streams.domain.addresses import Network, is_allowed, parse_address, parse_networks
from streams.domain.errors import Error
from streams.domain.numbers import InvalidPhone, to_e164
from streams.domain.phone.events import MessageChange, RequestInfo, RequestReceived, SourceRecord
from streams.domain.recipients import to_recipient
from streams.settings import Settings


class Rejected(Exception):
    """The request is not valid, and this is its answer."""

    def __init__(self, partial: PartialRequest, error: Error) -> None:
        super().__init__(error.code)
        self.partial = partial
        self.error = error


@dataclass(frozen=True, slots=True)
class RequestReader:
    """`default_region`: of numbers without a country code; None: they are not valid.

    `allowed_networks`: from which files may be fetched although they are not public. `media_schemes`: by which they may
    be fetched, besides http and https.
    """

    default_region: str | None
    max_request_bytes: int
    templates: TemplateLibrary
    allowed_networks: tuple[Network, ...] = ()
    media_schemes: tuple[str, ...] = ()

    def parse(self, record: SourceRecord) -> AnyRequest:
        """What the record requests. Raises Tombstone and Rejected."""
        try:
            if record.member is not None:
                return parse(record.value, record.headers, max_bytes=self.max_request_bytes)
            return parse_record(
                record.value, record.headers, max_bytes=self.max_request_bytes, key=record.key
            )
        except InvalidRequest as error:
            raise Rejected(error.partial, Error(error.code, error.detail)) from error

    def make_event(self, request: Request, record: SourceRecord, now_s: float) -> RequestReceived:
        """The event of a request for one message. Raises Rejected and TemplatesBehind."""
        try:
            phone, template = self._read_recipient(request.to), ""
            if isinstance(request.content, TemplateContent):
                request, content_json, template, refusal = self._render(
                    request, request.content, now_s
                )
            elif isinstance(request.content, EditContent | RevokeContent):
                content_json, refusal = request.content_json, None
            else:
                normalized, refusal = self._normalize_content(request.content), None
                is_changed = normalized is not request.content
                content_json = content.encode(normalized) if is_changed else request.content_json
        except InvalidPhone as error:
            raise Rejected(make_partial(request), Error("invalid_phone", str(error))) from error
        except InvalidRequest as error:
            wrong = Error(error.code, error.detail)
            raise Rejected(make_partial(request), wrong) from error
        return RequestReceived(
            phone=phone,
            request=_make_request_info(request, record, now_s, template),
            source_record=record,
            content=content_json,
            reply_to=request.reply_to,
            refusal=refusal,
        )

    def read_recipient(self, request: Cancel | SetConsent | Forget) -> str:
        """The number of a request about a recipient. Raises Rejected."""
        try:
            return self._read_recipient(request.to or "")
        except InvalidPhone as error:
            raise Rejected(make_partial(request), Error("invalid_phone", str(error))) from error

    def find_phone(self, to: str | None) -> str | None:
        """The number, if that much of the request can be read."""
        try:
            return to_recipient(to, self.default_region) if to else None
        except InvalidPhone:
            return None

    def _render(
        self, request: Request, template: TemplateContent, now_s: float
    ) -> tuple[Request, bytes, str, Error | None]:
        """The request with the category of its template, the content and the template's key, or why there is none.

        Where the phone's row is, it is decided whether that matters: a repeat of an accepted request is answered with
        its last status, also if its template was removed meanwhile.
        """
        try:
            rendered = self.templates.render(template, request.category, now_s)
            content_json = content.encode(self._normalize_content(rendered.content))
            request = replace(request, category=rendered.category)
            return request, content_json, rendered.template, None
        except TemplateRefused as refused:
            return request, b"", "", refused.error
        except InvalidRequest as error:
            return request, b"", "", Error(error.code, error.detail)
        except InvalidPhone as error:
            return request, b"", "", Error("invalid_phone", str(error))

    def _normalize_content(self, value: Content) -> Content:
        """The content as it is sent. The numbers on a contact's card are read like the recipient's, and what a file is
        follows from its bytes.
        """
        if isinstance(value, MEDIA_CLASSES):
            if value.url is not None:
                self._check_url(value.url)
            return media.complete(value)
        if not isinstance(value, ContactContent):
            return value
        phones = [
            self._read_number(f"content.phones[{index}]", number)
            for index, number in enumerate(value.phones)
        ]
        return replace(value, phones=phones)

    def _check_url(self, url: str) -> None:
        """What can be seen without a look-up; the sender checks each address that it connects to."""
        address = parse_address(media_url.check(url, self.media_schemes))
        if address is not None and not is_allowed(address, self.allowed_networks):
            detail = (
                "content.url: is at an address that is not public; see WA_MEDIA_ALLOWED_NETWORKS"
            )
            raise InvalidRequest("media_url_not_allowed", detail)

    def _read_recipient(self, text: str) -> str:
        try:
            return to_recipient(text, self.default_region)
        except InvalidPhone as error:
            raise InvalidPhone(f"to: {error}") from error

    def _read_number(self, field: str, text: str) -> str:
        try:
            return to_e164(text, self.default_region)
        except InvalidPhone as error:
            raise InvalidPhone(f"{field}: {error}") from error


def create_request_reader(settings: Settings, templates: TemplateLibrary) -> RequestReader:
    """The reader that the settings describe."""
    return RequestReader(
        settings.default_region,
        settings.max_request_bytes,
        templates,
        parse_networks(settings.media_allowed_networks),
        settings.media_schemes,
    )


def _make_request_info(
    request: Request, record: SourceRecord, now_s: float, template: str
) -> RequestInfo:
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
        change=_make_change(request),
        template=template,
    )


def _make_change(request: Request) -> MessageChange | None:
    if request.changed_id is None:
        return None
    kind = "edit" if isinstance(request.content, EditContent) else "revoke"
    return MessageChange(kind=kind, changed_id=request.changed_id)


def make_partial(request: AnyRequest) -> PartialRequest:
    """What an answer repeats of a request."""
    match request:
        case Cancel() | SetConsent() | Forget():
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
