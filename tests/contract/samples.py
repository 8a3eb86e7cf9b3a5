"""Requests that are accepted, and what tests of requests share."""

import json
from typing import Any

import pytest

from streams.contract.errors import InvalidRequest
from streams.contract.headers import Headers
from streams.contract.request import parse as request
from streams.contract.request.parse import Request

MAX_BYTES = 1 << 20
PNG = "iVBORw0KGgo="
TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def text(**fields: Any) -> dict[str, Any]:
    """A small request with more fields."""
    return {"to": "+60123456789", "text": "hello", **fields}


def content(type_: str, **fields: Any) -> dict[str, Any]:
    """A request with this content."""
    return {"to": "+60123456789", "content": {"type": type_, **fields}}


def parse(value: object, headers: Headers = (), max_bytes: int = MAX_BYTES) -> Request:
    """Parse these bytes, or this value as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return request.parse(data, headers, max_bytes=max_bytes)


def refusal(value: object, headers: Headers = (), max_bytes: int = MAX_BYTES) -> InvalidRequest:
    """The error of these bytes, or of this value as JSON."""
    with pytest.raises(InvalidRequest) as raised:
        parse(value, headers, max_bytes)
    return raised.value


LONG_FORM: dict[str, Any] = {
    "id": "order-8841-shipped",
    "to": "+60 12-345 6789",
    "content": {"type": "text", "body": "Your parcel is on its way"},
    "priority": "normal",
    "category": "transactional",
    "send_at": "2026-11-24T09:00:00Z",
    "expires_at": "2026-11-24T18:00:00Z",
    "account": "sales-1",
    "reply_to": "3EB0C767D82B0A0C1E2F",
    "batch_id": "b-17",
    "metadata": {"order": 8841},
}

ACCEPTED: dict[str, dict[str, Any]] = {
    "the contract's example": LONG_FORM,
    "to and text": text(),
    "the earlier service's form": {"phoneNumber": "012-345 6789", "message": "hello"},
    "a mixed short form": {"phoneNumber": "012-345 6789", "text": "hello"},
    "unknown fields": text(colour="red", nested={"to": [1, {"a": None}]}),
    "nulls": {**dict.fromkeys(LONG_FORM), "to": "+60", "text": "x", "content": None, "type": None},
    "an escaped backslash before u0000": text(id="\\u0000", colour="\\u0000"),
    "an id of 128 characters": text(id="é" * 128),
    "a text of 65,536 characters": text(text="😀" * 65_536),
    "one character between blanks": text(text=" \n.\t"),
    "a time with an offset": text(send_at="2026-11-24T09:00:00.5+08:00"),
    "a time to live": text(ttl_s=60),
    "send_at with a time to live": text(send_at="2026-11-24T09:00:00Z", ttl_s=0.5),
    "urgent marketing": text(priority="urgent", category="marketing"),
    "metadata of 4,096 bytes": text(metadata={"a": "x" * 4088}),
    "metadata with numbers": text(metadata={"a": [1.5, -1, 2**63, True, None]}),
    "an image": content("image", data=PNG, mime="image/png", caption="look"),
    "a video": content("video", data=PNG),
    "a voice message": content("audio", data=PNG, mime="audio/ogg; codecs=opus", voice=True),
    "a document": content("document", data=PNG, filename="bill 8841 (copy).pdf"),
    "a sticker": content("sticker", data=PNG, url=None),
    "a location": content("location", latitude=-90, longitude=180.0, name="Pole"),
    "a contact": content("contact", name="Ada", phones=["+60 12-345 6789"]),
    "a poll": content("poll", question="Tea?", options=["yes", "no"], multiple=True),
    "a template": content(
        "template", name="hello-1.b", language="pt_BR", params={"n": 1, "who": "Ada"}
    ),
    "a reaction": content("reaction", message_id="3EB0C767D82B0A0C1E2F", emoji="👍🏽"),
    "a reaction taken back": content("reaction", message_id="3EB0", emoji=""),
}
