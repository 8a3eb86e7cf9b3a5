"""Parses a record of `wa.outbound` into a request, or into an error that says which field is wrong and why.

`parse_record` is total: any value and headers give a request, a `Tombstone` or an `InvalidRequest`. It reads no clock
and does not interpret phone numbers: `to` stays as it was written.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar, cast, get_args

import msgspec

from streams.contract import cloudevents, record_size, replay, strict_json
from streams.contract.errors import InvalidRequest, PartialRequest, Tombstone
from streams.contract.headers import Headers, TraceContext
from streams.contract.replay import ReplayInfo
from streams.contract.request import changes, content, kinds, partial
from streams.contract.request.changes import EditContent, RevokeContent
from streams.contract.request.content import Content, TextContent
from streams.contract.request.form import (
    MAX_ID_CHARACTERS,
    Category,
    Priority,
    RequestForm,
    encode_metadata,
    is_id,
)
from streams.contract.request.kinds import Batch, Cancel, Forget, SetConsent
from streams.contract.timestamps import EARLIEST_S
from streams.contract.wording import describe

T = TypeVar("T")

# A larger value is rejected without a look at it: parsing takes time and a multiple of the memory.
_MAX_PARSED_BYTES = 16 << 20
_ALLOWED_VALUES: dict[str, Sequence[str]] = {
    "content.type": content.CONTENT_KINDS,
    "priority": get_args(Priority),
    "category": get_args(Category),
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request for one message, or for a change of one. Times are epoch seconds; 0.0 means none."""

    id: str | None  # None: the id is derived from the record's position
    to: str
    content: Content | EditContent | RevokeContent
    content_json: bytes
    priority: Priority = "normal"
    category: Category = "transactional"
    send_at_s: float = 0.0
    expires_at_s: float = 0.0
    ttl_s: float = 0.0
    account: str | None = None
    reply_to: str | None = None
    changed_id: str | None = None  # the id of the earlier message that an edit or a revoke changes
    batch_id: str | None = None
    metadata: bytes = b""  # JSON, compact
    trace: TraceContext = ()
    replay_of: str | None = None  # the dead letter that is replayed
    replay_count: int = 0
    is_replay_forced: bool = False

    def get_expires_at_s(self, requested_at_s: float) -> float:
        """When the message expires; 0.0 means never. `ttl_s` counts from `send_at`, else from this time."""
        if self.ttl_s:
            return max(self.send_at_s, requested_at_s) + self.ttl_s
        return self.expires_at_s


AnyRequest: TypeAlias = Request | Batch | Cancel | SetConsent | Forget


def parse(
    value: bytes | None, headers: Headers, *, max_bytes: int, key: bytes | None = None
) -> Request:
    """Parse a request for one message. Raises as `parse_record` does, also for another kind of request."""
    request = parse_record(value, headers, max_bytes=max_bytes, key=key, is_message=True)
    assert isinstance(request, Request)
    return request


def parse_record(
    value: bytes | None,
    headers: Headers,
    *,
    max_bytes: int,
    key: bytes | None = None,
    is_message: bool = False,
) -> AnyRequest:
    """Parse the request in a record. Value, headers and key may have `max_bytes` together, uncompressed.

    `is_message`: it must be a request for one message.

    Raises:
        Tombstone: the record has no value.
        InvalidRequest: it is not a valid request; `partial` holds what could be read.
    """
    if value is None:
        raise Tombstone
    reader = _RequestReader(headers)
    excess = _too_large_error(record_size.measure(key, value, headers), max_bytes)
    try:
        return reader.read(value, excess, is_message=is_message)
    except InvalidRequest as error:
        raise InvalidRequest(error.code, error.detail, reader.read_partial(value)) from error


class _RequestReader:
    """Reads one record, and remembers what it has read, so that an invalid one can be answered."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._envelope = cloudevents.read_headers(headers)
        self._replay = ReplayInfo()
        self._body: Mapping[str, Any] | None = None

    def read(self, value: bytes, excess: InvalidRequest | None, *, is_message: bool) -> AnyRequest:
        """Read the request, or as much of it as its caller must be told if it is too large (`excess`).

        Raises InvalidRequest without `partial`.
        """
        if excess is not None and record_size.full_size(value) > _MAX_PARSED_BYTES:
            raise excess
        self._replay = replay.parse_headers(self._headers)
        self._envelope = cloudevents.unwrap(strict_json.load(value), self._headers)
        body = self._body = _require_object(self._envelope.data)
        if excess is not None:
            raise excess
        match body.get("type"):
            case None:
                return self._build_request(_decode_form(body))
            case "batch" if not is_message:
                return kinds.read_batch(body, self._envelope.trace)
            case "cancel" if not is_message:
                return kinds.read_cancel(body, self._envelope.trace)
            case "edit" | "revoke" if not is_message:
                return self._build_change(changes.read_change(body))
            case "consent" if not is_message:
                return kinds.read_consent(body, self._envelope.trace)
            case "forget" if not is_message:
                return kinds.read_forget(body, self._envelope.trace)
            case _:
                detail = "type: is not a kind of request here; a message has no type"
                raise InvalidRequest("schema_violation", detail)

    def read_partial(self, value: bytes) -> PartialRequest:
        """What can be read of it."""
        body, envelope = self._body, self._envelope
        if body is None and record_size.full_size(value) <= _MAX_PARSED_BYTES:
            body, envelope = partial.recover(value, self._headers)
        return partial.make_partial(body or {}, envelope, self._replay)

    def _build_request(self, form: RequestForm) -> Request:
        to, parsed_content = _get_recipient(form), _get_content(form)
        send_at_s, expires_at_s = _get_times(form)
        return Request(
            id=self._get_id(form),
            to=to,
            content=parsed_content,
            content_json=content.encode(parsed_content),
            priority=form.priority or "normal",
            category=form.category or "transactional",
            send_at_s=send_at_s,
            expires_at_s=expires_at_s,
            ttl_s=form.ttl_s or 0.0,
            account=form.account,
            reply_to=form.reply_to,
            batch_id=_get_batch_id(form),
            metadata=encode_metadata(form.metadata),
            trace=self._envelope.trace,
            replay_of=self._replay.dead_letter_id,
            replay_count=self._replay.count,
            is_replay_forced=self._replay.is_forced,
        )

    def _build_change(self, form: changes.ChangeForm) -> Request:
        """It overtakes what waits: an edit is possible for a few minutes only."""
        change = changes.make_content(form)
        request_id = form.request_id or self._replay.request_id
        return Request(
            id=None if request_id is None else _require_id("request_id", request_id),
            to=form.to,
            content=change,
            content_json=msgspec.json.encode(change),
            priority="urgent",
            changed_id=form.id,
            trace=self._envelope.trace,
            replay_of=self._replay.dead_letter_id,
            replay_count=self._replay.count,
            is_replay_forced=self._replay.is_forced,
        )

    def _get_id(self, form: RequestForm) -> str | None:
        candidates = (
            ("id", form.id),
            (cloudevents.ID_HEADER, self._envelope.id),
            (f"header {replay.REQUEST_ID}", self._replay.request_id),
        )
        for name, value in candidates:
            if value is not None:
                return _require_id(name, value)
        return None


def _require_object(data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise InvalidRequest("schema_violation", "the record: must be a JSON object")
    return cast(dict[str, Any], data)


def _too_large_error(size: int, max_bytes: int) -> InvalidRequest | None:
    if size <= max_bytes:
        return None
    detail = f"the record: has {size} bytes with its key and headers; WA_MAX_REQUEST_BYTES allows {max_bytes}"
    return InvalidRequest("record_too_large", detail)


def _decode_form(body: Mapping[str, Any]) -> RequestForm:
    try:
        return msgspec.convert(body, RequestForm)
    except msgspec.ValidationError as error:
        raise InvalidRequest("schema_violation", describe(error, _ALLOWED_VALUES)) from error


def _get_recipient(form: RequestForm) -> str:
    candidates = {"to": form.to, "phoneNumber": form.phone_number}
    return _require_one(candidates)


def _get_content(form: RequestForm) -> Content:
    candidates = {"content": form.content, "text": form.text, "message": form.message}
    value = _require_one(candidates)
    return TextContent(body=value) if isinstance(value, str) else value


def _require_one(candidates: Mapping[str, T | None]) -> T:
    """The one that is given. If two are given, it is not clear which one is meant."""
    present = {name: value for name, value in candidates.items() if value is not None}
    if not present:
        raise InvalidRequest("schema_violation", f"{next(iter(candidates))}: is missing")
    if len(present) > 1:
        raise InvalidRequest(
            "schema_violation", f"{', '.join(present)}: only one of these may be given"
        )
    return next(iter(present.values()))


def _get_times(form: RequestForm) -> tuple[float, float]:
    send_at_s = _to_epoch_s("send_at", form.send_at)
    expires_at_s = _to_epoch_s("expires_at", form.expires_at)
    if expires_at_s and form.ttl_s is not None:
        raise InvalidRequest("schema_violation", "ttl_s: must not be given with expires_at")
    if expires_at_s and expires_at_s <= send_at_s:
        raise InvalidRequest("schema_violation", "expires_at: is not after send_at")
    return send_at_s, expires_at_s


def _to_epoch_s(field: str, moment: datetime | None) -> float:
    if moment is None:
        return 0.0
    if moment.timestamp() < EARLIEST_S:
        raise InvalidRequest("schema_violation", f"{field}: is before the year 2000")
    return moment.timestamp()


def _get_batch_id(form: RequestForm) -> str | None:
    return None if form.batch_id is None else _require_id("batch_id", form.batch_id)


def _require_id(field: str, value: str) -> str:
    if not is_id(value):
        detail = f"{field}: must be 1 to {MAX_ID_CHARACTERS} printable characters"
        raise InvalidRequest("schema_violation", detail)
    return value
