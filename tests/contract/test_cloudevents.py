"""CloudEvents around requests, and the traces that are copied."""

import base64
import json
from typing import Any

import pytest

from streams.contract.headers import Headers
from tests.contract.samples import TRACEPARENT, parse, refusal, text

# -- traces


def test_a_trace_is_copied() -> None:
    """A trace is read from the plain headers first, else from the CloudEvents extension."""
    state = ("tracestate", b"vendor=1")
    carried = (("traceparent", TRACEPARENT), state)
    assert parse(text(), carried).trace == carried
    extension = [(f"ce_{name}", value) for name, value in carried]
    assert parse(text(), extension).trace == carried


@pytest.mark.parametrize("parent", [b"", b"x", TRACEPARENT.upper(), TRACEPARENT + b"-" + b"x" * 99])
def test_a_malformed_trace_is_dropped(parent: bytes) -> None:
    """A malformed trace is ignored, as W3C requires, and the request is accepted."""
    assert parse(text(), [("traceparent", parent), ("tracestate", b"a=1")]).trace == ()


def test_a_trace_state_that_is_too_long_is_dropped() -> None:
    """A long trace state is dropped, because it would be copied to every resulting record."""
    headers = [("traceparent", TRACEPARENT), ("tracestate", b"x" * 513)]
    assert parse(text(), headers).trace == (("traceparent", TRACEPARENT),)


# -- CloudEvents in structured mode

STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


def event(**fields: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order", **fields}


@pytest.mark.parametrize("headers", [STRUCTURED, []], ids=["by its header", "by its fields"])
def test_a_structured_event(headers: Headers) -> None:
    """The data of a structured event is the request, and the event's id is the request's id."""
    read = parse(event(data=text(), traceparent=TRACEPARENT.decode()), headers)
    assert (read.to, read.id) == ("+60123456789", "e-1")
    assert read.trace == (("traceparent", TRACEPARENT),)
    assert parse(event(data=text(id="a")), headers).id == "a"


def test_a_structured_event_with_binary_data() -> None:
    """A structured event may have its data in base64, as some libraries write it."""
    data = base64.b64encode(json.dumps(text()).encode()).decode()
    assert parse(event(data_base64=data), STRUCTURED).to == "+60123456789"


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (event(), "data: is missing"),
        (event(data=None), "data: is missing"),
        (event(data=[1]), "the record: must be a JSON object"),
        (event(data={"text": "x"}), "to: is missing"),
        (event(data_base64="?"), "data_base64: is not base64"),
        (event(data_base64=base64.b64encode(b"{").decode()), "the record: is not JSON"),
        (event(specversion="2.0", data=text()), "the CloudEvent: specversion: "),
        (text(), "the CloudEvent: specversion: is missing"),
        ([event(data=text())], "the CloudEvent: "),
    ],
)
def test_an_invalid_structured_event_is_rejected(value: object, detail: str) -> None:
    """An invalid structured event is rejected, and its id is read from the event if possible."""
    assert refusal(value, STRUCTURED).detail.startswith(detail)
