"""What can be read of a record that is not a valid request: enough to answer its caller. Never raises.

A record that is refused as a whole (a key twice, a NUL, a wrong CloudEvents header) is read again leniently,
because the answer must carry the caller's id. A field that two readers could understand differently counts
as absent. A cancel is answered under its own `request_id`, never under the id of the message that it names.
"""

import base64
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from streams.contract import cloudevents
from streams.contract.cloudevents import Envelope
from streams.contract.errors import InvalidRequest, PartialRequest
from streams.contract.headers import Headers
from streams.contract.replay import ReplayInfo
from streams.contract.request.form import encode_metadata, is_id

_MAX_TO_CHARACTERS: Final = 128
_MAX_ID_DIGITS: Final = 20
_UNREADABLE: Final = object()  # in place of a value that cannot be trusted
_OWN_ID_KINDS: Final = ("cancel", "consent", "edit", "revoke")  # their id is `request_id`


def make_partial(
    body: Mapping[str, Any], envelope: Envelope, replay_info: ReplayInfo
) -> PartialRequest:
    """The readable fields of this body."""
    has_own_id = _has_own_id(body.get("type"))
    batch_id = body.get("batch_id")
    return PartialRequest(
        id=_find_id(_list_ids(body, envelope, replay_info, has_own_id=has_own_id)),
        to=next(filter(_is_echoable, (body.get("to"), body.get("phoneNumber"))), None),
        # The status of a cancel must not be counted as that of a member of the batch.
        batch_id=batch_id if not has_own_id and _find_id(iter([batch_id])) == batch_id else None,
        metadata=_encode_valid_metadata(body.get("metadata")),
        trace=envelope.trace,
        replay_of=replay_info.dead_letter_id,
        replay_count=replay_info.count,
    )


def recover(value: bytes, headers: Headers) -> tuple[Mapping[str, Any], Envelope]:
    """The body of a record that was refused before its body was reached, and what is around it."""
    outer = _load(value)
    try:
        envelope = cloudevents.unwrap(outer, headers)
    except (InvalidRequest, UnicodeEncodeError):
        envelope = _unwrap_leniently(outer, cloudevents.read_headers(headers))
    return _as_object(envelope.data), envelope


def _unwrap_leniently(outer: object, header_envelope: Envelope) -> Envelope:
    """The data of something like an event; without data, it may be a plain request with a wrong header."""
    event = _as_object(outer)
    data = event.get("data")
    if data is None and isinstance(encoded := event.get("data_base64"), str):
        data = _load(_decode_base64(encoded))
    if not isinstance(data, dict):
        return msgspec.structs.replace(header_envelope, data=event)
    event_id = _find_id(iter([event.get("id"), header_envelope.id]))
    return msgspec.structs.replace(header_envelope, data=data, id=event_id)


# -- single fields


def _list_ids(
    body: Mapping[str, Any], envelope: Envelope, replay_info: ReplayInfo, *, has_own_id: bool
) -> Iterator[object]:
    """The possible ids, the best one first."""
    if has_own_id:
        yield body.get("request_id")
    else:
        yield body.get("id")
        yield envelope.id
    yield replay_info.request_id


def _find_id(candidates: Iterator[object]) -> str | None:
    """The first one that can be an id. Callers write whole numbers without quotation marks, too."""
    for candidate in candidates:
        is_number = isinstance(candidate, int) and not isinstance(candidate, bool)
        id_ = str(candidate) if is_number else candidate
        if is_id(id_) and _is_echoable(id_):
            return cast(str, id_)
    return None


def _has_own_id(kind: object) -> bool:
    return kind is _UNREADABLE or (isinstance(kind, str) and kind.strip().lower() in _OWN_ID_KINDS)


def _is_echoable(value: object) -> bool:
    """Whether an answer may repeat this text. Databases refuse a NUL, and UTF-8 has no lone surrogates."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TO_CHARACTERS:
        return False
    # A replacement character stands for bytes that are not UTF-8.
    return not any(c in "\0\ufffd" or "\ud800" <= c <= "\udfff" for c in value)


def _encode_valid_metadata(value: object) -> bytes:
    try:
        data = encode_metadata(cast(dict[str, Any], value)) if isinstance(value, dict) else b""
    except InvalidRequest:
        return b""  # the metadata itself may be what is wrong
    return b"" if b"\\u0000" in data or "\ufffd".encode() in data else data


# -- JSON that may be refused


def _load(value: bytes) -> object:
    """The value as JSON, if it is anything like JSON."""
    text = value.decode(errors="replace").removeprefix("\ufeff")
    try:
        return json.loads(
            text,
            strict=False,
            object_pairs_hook=_merge_pairs,
            parse_int=_read_int,
            parse_float=_read_float,
            parse_constant=lambda _: _UNREADABLE,
        )
    except (ValueError, RecursionError):
        return None


def _merge_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A key that occurs twice with different values has no readable value."""
    merged: dict[str, object] = {}
    for key, value in pairs:
        merged[key] = value if merged.get(key, value) == value else _UNREADABLE
    return merged


def _read_int(digits: str) -> object:
    return int(digits) if len(digits) <= _MAX_ID_DIGITS else _UNREADABLE


def _read_float(digits: str) -> object:
    number = float(digits)
    return number if math.isfinite(number) else _UNREADABLE


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _as_object(value: object) -> Mapping[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
