"""CloudEvents 1.0 on Kafka, in binary and structured mode: unwraps requests, and makes headers for events.

Binary mode: the value is the data, and the attributes are headers `ce_…`. Structured mode: the value is a
JSON object with the attributes and `data` (CloudEvents Kafka protocol binding, section 3). This file does
not validate the request inside.
"""

import base64
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from streams.contract import strict_json
from streams.contract.errors import InvalidRequest
from streams.contract.headers import (
    CONTENT_TYPE,
    TRACEPARENT,
    TRACESTATE,
    Headers,
    TraceContext,
    get_last,
    get_text,
    make_trace_context,
)
from streams.contract.wording import describe

_STRUCTURED: Final = "application/cloudevents"
SOURCE: Final = "wa-streams"
JSON: Final = b"application/json"

TYPE_HEADER: Final = "ce_type"
ID_HEADER: Final = "ce_id"


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A request with what was around it."""

    data: object = None
    id: str | None = None  # the event's
    trace: TraceContext = ()


class _StructuredEvent(msgspec.Struct, frozen=True, kw_only=True):
    specversion: Annotated[str, Meta(pattern=r"^1\.")]
    id: str | None = None
    data: object | None = None
    data_base64: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


def read_headers(headers: Headers) -> Envelope:
    """The envelope that the headers give. In binary mode, only the data is missing."""
    trace_context = make_trace_context(
        _get_trace_header(headers, TRACEPARENT), _get_trace_header(headers, TRACESTATE)
    )
    return Envelope(id=get_text(headers, ID_HEADER), trace=trace_context)


def unwrap(body: object, headers: Headers) -> Envelope:
    """Unwrap the request. A plain record counts as binary mode without CloudEvents headers.

    Raises:
        InvalidRequest: the record claims to be a structured event and is not one.
    """
    header_envelope = read_headers(headers)
    if not _is_structured(body, headers):
        return replace(header_envelope, data=body)
    event = _decode_event(body)
    event_trace = make_trace_context(
        _encode_optional(event.traceparent), _encode_optional(event.tracestate)
    )
    return Envelope(
        data=_extract_data(event),
        id=event.id or header_envelope.id,
        trace=header_envelope.trace or event_trace,
    )


def build_binary_headers(
    event_type: str, event_id: str, time: str
) -> tuple[tuple[str, bytes], ...]:
    """The headers of an event that wa-streams publishes; `time` is RFC 3339."""
    return (
        ("ce_specversion", b"1.0"),
        (ID_HEADER, event_id.encode()),
        (TYPE_HEADER, event_type.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_time", time.encode()),
        (CONTENT_TYPE, JSON),
    )


def _get_trace_header(headers: Headers, name: str) -> bytes | None:
    """The plain header, else the extension attribute of the event."""
    value = get_last(headers, name)
    return get_last(headers, f"ce_{name}") if value is None else value


def _is_structured(body: object, headers: Headers) -> bool:
    """By the header, as the binding says; or by the object's fields, for producers that cannot set headers."""
    media_type = get_text(headers, CONTENT_TYPE) or ""
    if media_type.lower().startswith(_STRUCTURED):
        return True
    return (
        isinstance(body, Mapping)
        and "specversion" in body
        and ("data" in body or "data_base64" in body)
    )


def _decode_event(body: object) -> _StructuredEvent:
    try:
        return msgspec.convert(body, _StructuredEvent)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            "schema_violation", f"the CloudEvent: {describe(error, {})}"
        ) from error


def _extract_data(event: _StructuredEvent) -> object:
    if event.data is not None:
        return event.data
    if event.data_base64 is None:
        raise InvalidRequest("schema_violation", "data: is missing")
    try:
        decoded = base64.b64decode(event.data_base64, validate=True)
    except ValueError as error:
        raise InvalidRequest("schema_violation", f"data_base64: is not base64 ({error})") from error
    return strict_json.load(decoded)


def _encode_optional(value: str | None) -> bytes | None:
    return None if value is None else value.encode()
