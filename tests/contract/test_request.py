"""Requests: what is accepted, how the rest is answered, and that parsing is total."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.contract.errors import InvalidRequest, PartialRequest, Tombstone
from streams.contract.headers import Headers
from streams.contract.request import content
from streams.contract.request import parse as request
from streams.contract.request.content import TextContent
from streams.contract.request.parse import Request
from tests.contract.rejected_samples import REJECTED, Rejected
from tests.contract.samples import ACCEPTED, LONG_FORM, PNG, TRACEPARENT, parse, refusal, text


def test_the_example_of_the_contract() -> None:
    """Every field is read, and a missing field has its default."""
    assert parse(LONG_FORM) == Request(
        id="order-8841-shipped",
        to="+60 12-345 6789",
        content=TextContent(body="Your parcel is on its way"),
        content_json=b'{"type":"text","body":"Your parcel is on its way"}',
        send_at_s=1_795_510_800.0,
        expires_at_s=1_795_543_200.0,
        account="sales-1",
        reply_to="3EB0C767D82B0A0C1E2F",
        batch_id="b-17",
        metadata=b'{"order":8841}',
    )


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_accepted(name: str) -> None:
    """Each sample is accepted, and its encoded content decodes to the same content."""
    read = parse(ACCEPTED[name])
    assert content.decode(read.content_json) == read.content
    assert b"null" not in read.content_json


@pytest.mark.parametrize("form", [text(), {"phoneNumber": "+60123456789", "message": "hello"}])
def test_short_forms_equal_the_long_form(form: dict[str, Any]) -> None:
    """Callers of the earlier service keep their payloads."""
    long = {"to": "+60123456789", "content": {"type": "text", "body": "hello"}}
    assert parse(form) == parse(long)


@pytest.mark.parametrize("sample", REJECTED.values(), ids=list(REJECTED))
def test_what_is_rejected(sample: Rejected) -> None:
    """Each sample is rejected with the right code and a detail that names the field."""
    error = refusal(sample.value)
    assert error.code == sample.code
    assert error.detail.startswith(sample.detail)
    assert "\n" not in error.detail


def test_a_tombstone_is_not_an_error() -> None:
    """A record without a value requests nothing, in any mode."""
    with pytest.raises(Tombstone):
        request.parse(None, [("content-type", b"application/cloudevents+json")], max_bytes=1)


def test_the_answer_contains_what_could_be_read() -> None:
    """The caller of an invalid request learns which request it was."""
    wrong = {**LONG_FORM, "priority": "high"}
    assert refusal(wrong, [("traceparent", TRACEPARENT)]).partial == PartialRequest(
        id="order-8841-shipped",
        to="+60 12-345 6789",
        batch_id="b-17",
        metadata=b'{"order":8841}',
        trace=(("traceparent", TRACEPARENT),),
    )


def test_the_answer_omits_invalid_fields() -> None:
    """Each field that is itself invalid is omitted from the answer."""
    wrong = {"id": "x" * 129, "to": 5, "batch_id": "\n", "metadata": {"a": "x" * 5000}, "text": ""}
    assert refusal(wrong).partial == PartialRequest()


def test_the_answer_to_bytes_that_are_not_json() -> None:
    """Id and trace are read from the headers."""
    headers = [("ce_id", b"e-1"), ("traceparent", TRACEPARENT)]
    expected = PartialRequest(id="e-1", trace=(("traceparent", TRACEPARENT),))
    assert refusal(b"hello", headers).partial == expected


def test_the_size_limit_is_exact() -> None:
    """One byte more is too much, and the answer still contains the id."""
    data = json.dumps(LONG_FORM).encode()
    assert parse(data, max_bytes=len(data)).id == "order-8841-shipped"
    error = refusal(data, max_bytes=len(data) - 1)
    assert (error.code, error.partial.id) == ("record_too_large", "order-8841-shipped")


def test_the_size_limit_counts_the_key_and_the_headers() -> None:
    """They are stored with the request, so a large key or thousands of empty headers are too large, too."""
    data = json.dumps(LONG_FORM).encode()
    limit = {"max_bytes": len(data) + 1000}
    assert request.parse(data, [("a", b"")] * 10, key=b"k" * 500, **limit).id
    for key, headers in (
        (b"k" * 1001, []),
        (None, [("a", b"x" * 1000)]),
        (None, [("", None)] * 100),
        (None, [("x" * 1001, b"")]),
    ):
        with pytest.raises(InvalidRequest, match="record_too_large") as raised:
            request.parse(data, headers, key=key, **limit)
        assert raised.value.partial.id == "order-8841-shipped"


def test_an_error_repeats_no_text_and_no_number() -> None:
    """A detail may be logged, so it contains names of fields, and no values."""
    for name, sample in REJECTED.items():
        assert "60123456789" not in refusal(sample.value).detail, name
    assert len(refusal(text(**{"k" * 9000 + "\0": 1})).detail) <= 500


def test_a_time_to_live_counts_from_sending_or_requesting() -> None:
    """`ttl_s` counts from the later of the two times; without it, `expires_at` counts."""
    at = "2026-11-24T09:00:00Z"
    assert parse(text(ttl_s=60)).get_expires_at_s(1000.0) == 1060.0
    assert parse(text(ttl_s=60, send_at=at)).get_expires_at_s(1000.0) == 1_795_510_860.0
    assert parse(text(expires_at=at)).get_expires_at_s(1000.0) == 1_795_510_800.0
    assert parse(text()).get_expires_at_s(1000.0) == 0.0


def test_metadata_keep_their_values() -> None:
    """Metadata are echoed as compact JSON, in the caller's order."""
    body = b'{"to":"+60","text":"x","metadata":{ "b": 1.50, "a": [null, "\\u00e9"] }}'
    assert parse(body).metadata == '{"b":1.5,"a":[null,"é"]}'.encode()


# -- ids


def test_the_body_names_the_request_first() -> None:
    """The body's id counts first, then the CloudEvent's; else the id is derived from the position."""
    event = [("ce_id", b"e-1")]
    assert parse(text(id="a"), event).id == "a"
    assert parse(text(), event).id == "e-1"
    assert parse(text()).id is None


def test_a_replay_keeps_the_id_of_its_original() -> None:
    """The header's id counts only in a replay, and only if neither body nor event has one."""
    replay = [("wa-replay-of", b"wa.outbound:3:4711"), ("wa-replay-count", b"2")]
    named = [*replay, ("wa-request-id", b"wa.outbound:3:4711")]
    read = parse(text(), named)
    assert (read.id, read.replay_of, read.replay_count) == (
        "wa.outbound:3:4711",
        "wa.outbound:3:4711",
        2,
    )
    assert parse(text(id="a"), named).id == "a"
    assert parse(text(), named[-1:]).id is None


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ([("ce_id", b"x" * 129)], "ce_id: must be"),
        ([("ce_id", b"a\nb")], "ce_id: must be"),
        ([("wa-replay-of", b"")], "header wa-replay-of: does not name"),
        ([("wa-replay-of", b"\xff")], "header wa-replay-of: does not name"),
        ([("wa-replay-of", b"a:1:2")], "header wa-replay-count: is no"),
        ([("wa-replay-of", b"a:1:2"), ("wa-replay-count", b"-1")], "header wa-replay-count: is no"),
        (
            [
                ("wa-replay-of", b"a:1:2"),
                ("wa-replay-count", b"1"),
                ("wa-request-id", b"\n"),
            ],
            "header wa-request-id: must be",
        ),
    ],
)
def test_an_invalid_header_is_rejected(headers: Headers, detail: str) -> None:
    """The detail names the header like a field."""
    assert refusal(text(), headers).detail.startswith(detail)


def test_of_headers_with_one_name_the_last_counts() -> None:
    """The last header counts, as in Kafka's own clients, and null counts as absent."""
    assert parse(text(), [("ce_id", b"a"), ("ce_id", b"b")]).id == "b"
    assert parse(text(), [("ce_id", b"a"), ("ce_id", None)]).id is None


# -- totality

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
field_names = st.sampled_from(
    [
        *LONG_FORM,
        *["text", "message", "phoneNumber", "ttl_s", "type", "specversion", "data", "data_base64"],
    ]
)
content_values = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image", "poll", "location", "contact", "reaction", "fax"])},
    optional=dict.fromkeys(
        ["body", "data", "url", "options", "latitude", "phones", "name", "emoji"], json_values
    ),
)
almost_requests = st.dictionaries(
    field_names, json_values | content_values | st.just(PNG), max_size=8
).map(lambda fields: json.dumps({"to": "+60123456789", **fields}).encode())
header_names = st.sampled_from(
    [
        "ce_id",
        "content-type",
        "traceparent",
        "wa-replay-of",
        "wa-replay-count",
        "wa-replay-force",
        "wa-request-id",
        "x",
    ]
)
header_values = st.none() | st.binary(max_size=20) | st.just(b"application/cloudevents+json")
header_lists = st.lists(st.tuples(header_names, header_values), max_size=4)
mutations = st.tuples(
    st.sampled_from(
        [json.dumps(sample).encode() for sample in ACCEPTED.values() if len(str(sample)) < 999]
    ),
    st.integers(0, 400),
    st.binary(max_size=3),
).map(lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] + 1 :])


@given(st.none() | st.binary() | almost_requests | mutations, header_lists)
@example(b'{"to":"' + b"\\" * 999, [])
def test_parsing_is_total(value: bytes | None, headers: Headers) -> None:
    """Any record is a request, a tombstone or an invalid request, and nothing else happens."""
    read = outcome(value, headers)
    if value is None:
        assert isinstance(read, Tombstone)
    elif isinstance(read, InvalidRequest):
        assert re.match(r"[^\n]+: [^\n]+", read.detail)
    else:
        assert isinstance(read, Request)
        assert content.decode(read.content_json) == read.content
        assert content.encode(read.content) == read.content_json


def outcome(value: bytes | None, headers: Headers) -> Request | Tombstone | InvalidRequest:
    try:
        return request.parse(value, headers, max_bytes=10_000)
    except (Tombstone, InvalidRequest) as error:
        return error


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
not_blank = words.filter(lambda text: bool(text.strip()))


@given(
    body=not_blank,
    id=st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=128),
    metadata=st.dictionaries(words, words | st.floats(allow_nan=False, allow_infinity=False)),
)
def test_a_request_is_read_as_it_was_written(body: str, id: str, metadata: dict[str, Any]) -> None:
    """No character changes, whatever its script."""
    read = parse({"id": id, "to": "+60", "text": body, "metadata": metadata})
    assert (read.id, read.content) == (id, TextContent(body=body))
    assert json.loads(read.metadata) == metadata
