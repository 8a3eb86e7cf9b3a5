"""Builds requests, and checks them with the contract's own reader before anything is produced. No I/O."""

import itertools
import math
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, TypedDict, cast

import orjson

from streams.contract.errors import InvalidRequest
from streams.contract.request.form import RequestForm
from streams.contract.request.kinds import MAX_MEMBERS
from streams.contract.request.parse import parse, parse_record
from streams.contract.topics import PUBLIC_TOPICS
from streams.domain.batch.events import default_id
from streams.domain.recipients import to_recipient_key

_MAX_BYTES: Final = next(
    topic.max_message_bytes for topic in PUBLIC_TOPICS if topic.name == "outbound"
)
# Of one record of a batch: about what the dispatcher handles in one step.
_BATCH_BYTES: Final = 900_000
_MAX_NODES: Final = 100_000  # a value that contains itself has no end
_FIELDS: Final = frozenset(RequestForm.__struct_encode_fields__)


class RequestOptions(TypedDict, total=False):
    """The other fields of a request. Times are RFC 3339."""

    priority: str
    category: str
    send_at: str
    expires_at: str
    ttl_s: float
    account: str
    reply_to: str
    batch_id: str
    metadata: Mapping[str, Any]


class RequestInvalid(ValueError):
    """The request breaks the contract, so nothing was produced.

    `field` is the name of the field that is wrong, or `the record`; `reason` says what is wrong; `code` is the
    contract's.
    """

    def __init__(self, code: str, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.code = code
        self.field = field
        self.reason = reason


class EncodedRequest(NamedTuple):
    """A valid request, as a record."""

    id: str
    to: str
    key: bytes
    value: bytes


def build_request(
    to: str, content: str | Mapping[str, Any], id: str | None, options: Mapping[str, Any]
) -> EncodedRequest:
    """The request of these arguments.

    Raises:
        TypeError: an option does not exist.
        RequestInvalid: a value breaks the contract.
    """
    refuse_unknown("an option", options, RequestOptions.__annotations__)
    body = {"type": "text", "body": content} if isinstance(content, str) else content
    return encode_request({"id": id, "to": to, "content": body, **options})


def encode_request(request: Mapping[str, Any]) -> EncodedRequest:
    """The record of a request in the long or the short form; one without an id gets one.

    Raises:
        TypeError: a field does not exist.
        RequestInvalid: a value breaks the contract.
    """
    if not isinstance(cast(Any, request), Mapping):
        raise TypeError(f"a request is a mapping, not {type(request).__name__}")
    refuse_unknown("a field of a request", request, _FIELDS)
    fields = {name: value for name, value in request.items() if value is not None}
    fields = {"id": uuid.uuid4().hex} | fields
    value = _encode(fields)
    to = str(fields.get("to") or fields.get("phoneNumber") or "")
    # The recipient's number in one notation, so that all its requests are in one partition, in order.
    key = to_recipient_key(to).encode(errors="replace")
    with _translate_refusal():
        parse(value, (), max_bytes=_MAX_BYTES, key=key)
    return EncodedRequest(fields["id"], to, key, value)


def encode_batch(batch_id: str, requests: Iterable[Mapping[str, Any]]) -> list[EncodedRequest]:
    """The records of a batch: as many messages in each as a record may have. Each message is checked like a single one.

    A message without an id gets `<batch_id>/<index>`, so that the same call later sends nothing twice.

    Raises:
        TypeError, RequestInvalid: as `encode_request`.
    """
    members: list[EncodedRequest] = []
    for index, request in enumerate(requests):
        member_id = request.get("id") or default_id(batch_id, index)
        members.append(encode_request({**request, "id": member_id, "batch_id": batch_id}))
    groups: list[list[EncodedRequest]] = []
    size = _BATCH_BYTES
    for member in members:
        size += len(member.value) + 1
        if size > _BATCH_BYTES or len(groups[-1]) == MAX_MEMBERS:
            groups.append([])
            size = len(member.value)
        groups[-1].append(member)
    firsts = itertools.accumulate(map(len, groups), initial=0)
    return [
        _encode_group(batch_id, group, first, len(members))
        for group, first in zip(groups, firsts, strict=False)
    ]


def _encode_group(
    batch_id: str, members: list[EncodedRequest], first: int, total: int
) -> EncodedRequest:
    messages = [orjson.Fragment(member.value) for member in members]
    fields = {"type": "batch", "batch_id": batch_id, "first": first, "total": total}
    value = orjson.dumps({**fields, "messages": messages})
    # The key keeps the records of a batch, and a cancel of it, in order.
    key = batch_id.encode(errors="replace")
    with _translate_refusal():
        parse_record(value, (), max_bytes=_MAX_BYTES, key=key)
    return EncodedRequest(batch_id, "", key, value)


def encode_cancel(
    to: str | None, id: str | None, batch_id: str | None, request_id: str | None
) -> EncodedRequest:
    """The record of a cancel; without a `request_id` it gets one.

    Raises:
        RequestInvalid: a value breaks the contract.
    """
    cancel_id = request_id or uuid.uuid4().hex
    given = {"to": to, "id": id, "batch_id": batch_id, "request_id": cancel_id}
    fields = {name: value for name, value in given.items() if value is not None}
    value = _encode({"type": "cancel", **fields})
    # The key of the messages that it names, so that it does not overtake them.
    key = (to_recipient_key(to) if to is not None else batch_id or "").encode(errors="replace")
    with _translate_refusal():
        parse_record(value, (), max_bytes=_MAX_BYTES, key=key)
    return EncodedRequest(cancel_id, to or "", key, value)


def encode_change(to: str, id: str, body: str | None, request_id: str | None) -> EncodedRequest:
    """The record of an edit, or without a `body` of a revoke; without a `request_id` it gets one.

    Raises:
        RequestInvalid: a value breaks the contract.
    """
    change_id = request_id or uuid.uuid4().hex
    fields: dict[str, object] = {"type": "revoke", "to": to, "id": id, "request_id": change_id}
    if body is not None:
        fields |= {"type": "edit", "content": {"type": "text", "body": body}}
    value = _encode(fields)
    # The key of the recipient's messages, so that it does not overtake them.
    key = to_recipient_key(to).encode(errors="replace")
    with _translate_refusal():
        parse_record(value, (), max_bytes=_MAX_BYTES, key=key)
    return EncodedRequest(change_id, to, key, value)


def encode_consent(to: str, consent: str, request_id: str | None) -> EncodedRequest:
    """The record that sets the consent of a recipient; without a `request_id` it gets one.

    Raises:
        RequestInvalid: a value breaks the contract.
    """
    id_ = request_id or uuid.uuid4().hex
    value = _encode({"type": "consent", "to": to, "consent": consent, "request_id": id_})
    # The key of the recipient's messages, so that it does not overtake them.
    key = to_recipient_key(to).encode(errors="replace")
    with _translate_refusal():
        parse_record(value, (), max_bytes=_MAX_BYTES, key=key)
    return EncodedRequest(id_, to, key, value)


def encode_forget(to: str, *, keep_opt_out: bool, request_id: str | None) -> EncodedRequest:
    """The record that forgets a recipient; without a `request_id` it gets one.

    Raises:
        RequestInvalid: a value breaks the contract.
    """
    id_ = request_id or uuid.uuid4().hex
    fields = {"to": to, "keep_opt_out": keep_opt_out, "request_id": id_}
    value = _encode({"type": "forget", **fields})
    # The key of the recipient's messages, so that it does not overtake them.
    key = to_recipient_key(to).encode(errors="replace")
    with _translate_refusal():
        parse_record(value, (), max_bytes=_MAX_BYTES, key=key)
    return EncodedRequest(id_, to, key, value)


@contextmanager
def _translate_refusal() -> Iterator[None]:
    """What the contract's reader refuses, with the field apart from the reason."""
    try:
        yield
    except InvalidRequest as error:
        field, _, reason = error.detail.partition(": ")
        raise RequestInvalid(error.code, field, reason) from None


def _encode(fields: Mapping[str, Any]) -> bytes:
    for name, value in fields.items():
        if _has_infinity(value):  # JSON has no such number, and orjson writes null
            raise RequestInvalid("schema_violation", name, "has a number that is not finite")
    try:
        return orjson.dumps(fields)
    except TypeError as error:
        name = next((name for name, value in fields.items() if not _has_json(value)), "the record")
        raise RequestInvalid("malformed_json", name, f"has no JSON form ({error})") from None


def _has_infinity(value: object) -> bool:
    """Whether a float in it is infinite or not a number."""
    pending: list[object] = [value]
    for _ in range(_MAX_NODES):
        if not pending:
            return False
        item = pending.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return True
        if isinstance(item, Mapping):
            pending.extend(cast(Mapping[object, object], item).values())
        elif isinstance(item, list | tuple):
            pending.extend(cast(Iterable[object], item))
    return False


def _has_json(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def refuse_unknown(kind: str, names: Iterable[str], allowed: Collection[str]) -> None:
    """Raise TypeError for a name that is not allowed, with the nearest one that is."""
    for name in names:
        if name not in allowed:
            nearest = get_close_matches(str(name), allowed, n=1, cutoff=0.0)[0]
            listed = ", ".join(sorted(allowed))
            raise TypeError(
                f"{name!r} is not {kind}; did you mean {nearest!r}? There are: {listed}"
            )
