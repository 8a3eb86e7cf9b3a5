"""A record of `wa.outbound` becomes a request, or an error that says which field is wrong and why.

`parse` is total: any value and headers give a `Request`, a `Tombstone` or an `InvalidRequest`. It reads
no clock and knows no phone numbers: `to` stays as it was written.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast, get_args

import msgspec
import orjson

from streams.contract import cloudevents, replay
from streams.contract.errors import InvalidRequest, Partial, Tombstone
from streams.contract.headers import Headers, Trace
from streams.contract.replay import Replay
from streams.contract.request import content, not_built_yet, strict_json
from streams.contract.request.content import Content, Text
from streams.contract.request.form import (
    ID_CHARACTERS,
    METADATA_BYTES,
    Category,
    Form,
    Priority,
    is_id,
)
from streams.contract.request.wording import describe
from streams.contract.timestamps import EARLIEST_S

T = TypeVar("T")

_WORDS: dict[str, Sequence[str]] = {
    "content.type": [kind for kind in content.KINDS if kind not in not_built_yet.NOT_YET],
    "priority": get_args(Priority),
    "category": get_args(Category),
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request for one message. Times are epoch seconds, 0.0 where there is none."""

    id: str | None  # None: to be named after the record's place
    to: str
    content: Content
    content_json: bytes
    priority: Priority = "normal"
    category: Category = "transactional"
    send_at_s: float = 0.0
    expires_at_s: float = 0.0
    ttl_s: float = 0.0
    account: str | None = None
    reply_to: str | None = None
    batch_id: str | None = None
    metadata: bytes = b""  # JSON, compact
    trace: Trace = ()
    replay_of: str | None = None  # the dead letter that this is a replay of
    replay_count: int = 0

    def expiry_s(self, asked_at_s: float) -> float:
        """When the message expires, 0.0 for never. `ttl_s` counts from `send_at`, else from this time."""
        if self.ttl_s:
            return max(self.send_at_s, asked_at_s) + self.ttl_s
        return self.expires_at_s


def parse(value: bytes | None, headers: Headers, *, max_bytes: int) -> Request:
    """The request in a record.

    Raises:
        Tombstone: there is no value.
        InvalidRequest: it is no request of the contract; `partial` holds what could still be read.
    """
    if value is None:
        raise Tombstone
    reading = _Reading(headers)
    try:
        return reading.request(value, max_bytes)
    except InvalidRequest as error:
        raise InvalidRequest(error.code, error.detail, reading.partial()) from error


class _Reading:
    """One record being read: remembers how far it came, for the answer to one that is wrong."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._envelope = cloudevents.from_headers(headers)
        self._replay = Replay()
        self._body: Mapping[str, Any] = {}

    def request(self, value: bytes, max_bytes: int) -> Request:
        """The request; raises InvalidRequest without a partial."""
        self._replay = replay.read(self._headers)
        self._envelope = cloudevents.unwrap(strict_json.load(value), self._headers)
        self._body = _object(self._envelope.data)
        if len(value) > max_bytes:
            raise _too_large(self._body, len(value), max_bytes)
        _check_kind(self._body)
        return self._checked(_form(self._body))

    def partial(self) -> Partial:
        """What could be read until now."""
        to = [self._body.get(name) for name in ("to", "phoneNumber")]
        batch_id = self._body.get("batch_id")
        return Partial(
            id=next((said for _, said in self._ids() if is_id(said)), None),
            to=next((each for each in to if isinstance(each, str) and 0 < len(each) <= 128), None),
            batch_id=batch_id if is_id(batch_id) else None,
            metadata=_readable_metadata(self._body.get("metadata")),
            trace=self._envelope.trace,
            replay_of=self._replay.of,
            replay_count=self._replay.count,
        )

    def _ids(self) -> tuple[tuple[str, Any], ...]:
        """Where an id may stand; the first that is there counts."""
        return (
            ("id", self._body.get("id")),
            (cloudevents.ID, self._envelope.id),
            (f"header {replay.REQUEST_ID}", self._replay.request_id),
        )

    def _checked(self, form: Form) -> Request:
        to, asked = _to(form), _content(form)
        not_built_yet.refuse_content(asked)
        send_at_s, expires_at_s = _times(form)
        return Request(
            id=self._id(),
            to=to,
            content=asked,
            content_json=content.encode(asked),
            priority=form.priority or "normal",
            category=form.category or "transactional",
            send_at_s=send_at_s,
            expires_at_s=expires_at_s,
            ttl_s=form.ttl_s or 0.0,
            account=form.account,
            reply_to=form.reply_to,
            batch_id=_batch_id(form),
            metadata=_metadata(form.metadata),
            trace=self._envelope.trace,
            replay_of=self._replay.of,
            replay_count=self._replay.count,
        )

    def _id(self) -> str | None:
        for name, said in self._ids():
            if said is not None:
                return _printable(name, said)
        return None


def _object(data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise InvalidRequest("schema_violation", "the record: must be a JSON object")
    return cast(dict[str, Any], data)


def _too_large(body: Mapping[str, Any], found: int, most: int) -> InvalidRequest:
    asked = body.get("content")
    carries_file = isinstance(asked, dict) and "data" in asked
    code = "media_too_large" if carries_file else "schema_violation"
    says = "content.data: makes the record" if carries_file else "the record: is"
    return InvalidRequest(code, f"{says} {found} bytes long, at most {most} are taken")


def _check_kind(body: Mapping[str, Any]) -> None:
    kind = body.get("type")
    if kind is None:
        return
    if kind in ("batch", "cancel"):
        not_built_yet.refuse_request(kind)
    raise InvalidRequest("schema_violation", "type: is no kind of request; a message has no type")


def _form(body: Mapping[str, Any]) -> Form:
    try:
        return msgspec.convert(body, Form)
    except msgspec.ValidationError as error:
        raise InvalidRequest("schema_violation", describe(error, _WORDS)) from error


def _to(form: Form) -> str:
    given = {"to": form.to, "phoneNumber": form.phone_number}
    return _only_one(given)


def _content(form: Form) -> Content:
    given = {"content": form.content, "text": form.text, "message": form.message}
    asked = _only_one(given)
    return Text(body=asked) if isinstance(asked, str) else asked


def _only_one(given: Mapping[str, T | None]) -> T:
    """The one that is given; two of them would leave open which is meant."""
    said = {name: value for name, value in given.items() if value is not None}
    if not said:
        raise InvalidRequest("schema_violation", f"{next(iter(given))}: is missing")
    if len(said) > 1:
        raise InvalidRequest(
            "schema_violation", f"{', '.join(said)}: only one of them may be given"
        )
    return next(iter(said.values()))


def _times(form: Form) -> tuple[float, float]:
    send_at_s = _epoch_s("send_at", form.send_at)
    expires_at_s = _epoch_s("expires_at", form.expires_at)
    if expires_at_s and form.ttl_s is not None:
        raise InvalidRequest("schema_violation", "ttl_s: is given beside expires_at")
    if expires_at_s and expires_at_s <= send_at_s:
        raise InvalidRequest("schema_violation", "expires_at: is not after send_at")
    return send_at_s, expires_at_s


def _epoch_s(field: str, moment: datetime | None) -> float:
    if moment is None:
        return 0.0
    if moment.timestamp() < EARLIEST_S:
        raise InvalidRequest("schema_violation", f"{field}: is before the year 2000")
    return moment.timestamp()


def _batch_id(form: Form) -> str | None:
    return None if form.batch_id is None else _printable("batch_id", form.batch_id)


def _printable(field: str, value: str) -> str:
    if not is_id(value):
        detail = f"{field}: must be 1 to {ID_CHARACTERS} printable characters"
        raise InvalidRequest("schema_violation", detail)
    return value


def _metadata(value: Mapping[str, Any] | None) -> bytes:
    if value is None:
        return b""
    try:
        data = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise InvalidRequest("schema_violation", f"metadata: {error}") from error
    if len(data) > METADATA_BYTES:
        detail = f"metadata: has {len(data)} bytes, at most {METADATA_BYTES} are taken"
        raise InvalidRequest("schema_violation", detail)
    return data


def _readable_metadata(value: object) -> bytes:
    try:
        return _metadata(cast(dict[str, Any], value)) if isinstance(value, dict) else b""
    except InvalidRequest:
        return b""  # it may be just what the answer is about
