"""A rejection carries the caller's id, and whatever else of the request could be read."""

import base64
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract.errors import InvalidRequest, PartialRequest
from streams.contract.headers import Headers
from streams.contract.request import parse as request
from streams.contract.request.parse import Request
from tests.contract.samples import refusal

STRUCTURED: Headers = [("content-type", b"application/cloudevents+json")]
WHOLE = PartialRequest(id="o-1", to="+60123456789", batch_id="b", metadata=b'{"n":1}')
# What every caller below has written.
FIELDS = b'"id":"o-1","to":"+60123456789","batch_id":"b","metadata":{"n":1}'


def encode_event(**fields: Any) -> bytes:
    return json.dumps({"specversion": "1.0", "id": "e-1", **fields}).encode()


INVALID: dict[str, tuple[bytes, Headers]] = {
    "a NUL in a text": (b'{%s,"text":"a\\u0000b"}' % FIELDS, []),
    "a raw control character": (b'{%s,"text":"a\x01b"}' % FIELDS, []),
    "a duplicate key": (b'{%s,"text":"a","text":"b"}' % FIELDS, []),
    "a duplicate key deep inside": (b'{%s,"content":{"a":1,"a":2}}' % FIELDS, []),
    "a duplicate id with one value": (b'{"id":"o-1",%s,"text":"a"}' % FIELDS, []),
    "a number beyond floats": (b'{%s,"text":"a","ttl_s":1e999}' % FIELDS, []),
    "a number of 5,000 digits": (b'{%s,"ttl_s":%s}' % (FIELDS, b"9" * 5000), []),
    "NaN": (b'{%s,"text":"a","ttl_s":NaN}' % FIELDS, []),
    "a lone surrogate": (b'{%s,"text":"\\ud800"}' % FIELDS, []),
    "a byte order mark": (b'\xef\xbb\xbf{%s,"text":"a"}' % FIELDS, []),
    "Latin-1": (b'{%s,"text":"\xe9"}' % FIELDS, []),
    "100 levels deep": (b'{%s,"text":%s%s}' % (FIELDS, b"[" * 100, b"]" * 100), []),
    "a wrong type": (b'{%s,"text":5}' % FIELDS, []),
    "an unknown type of request": (b'{%s,"type":"text"}' % FIELDS, []),
    "a wrong CloudEvents header": (b'{%s,"text":"a"}' % FIELDS, STRUCTURED),
    "a wrong header of a replay": (b'{%s,"text":"a"}' % FIELDS, [("wa-replay-of", b"")]),
    "an event without a version": (b'{"id":"e-1","data":{%s,"text":"a"}}' % FIELDS, STRUCTURED),
    "an event of another version": (b'{"specversion":"2.0","data":{%s}}' % FIELDS, []),
    "an event in base64": (
        encode_event(data_base64=base64.b64encode(b'{%s,"text":"\\u0000"}' % FIELDS).decode()),
        [],
    ),
    "an event whose data are invalid": (b'{"specversion":"1.0","data":{%s}}' % FIELDS, []),
}


@pytest.mark.parametrize(("value", "headers"), INVALID.values(), ids=INVALID)
def test_an_invalid_request_is_answered_to_its_caller(value: bytes, headers: Headers) -> None:
    """The id, the number, the batch and the metadata are in the answer, whatever else is wrong."""
    assert refusal(value, headers).partial == WHOLE


@pytest.mark.parametrize(
    ("value", "id_"),
    [
        (b'{"id":"a","id":"b","to":"+60","text":"x"}', None),
        (b'{"id":"a\\u0000","to":"+60","text":"x"}', None),
        (b'{"id":"a\\ud800","to":"+60","text":"x"}', None),
        (b'{"id":"\xe9","to":"+60","text":"x"}', None),
        (b'{"id":8841,"to":"+60","text":"x"}', "8841"),
        (b'{"id":true,"to":"+60","text":"x"}', None),
        (b'{"id":"a","to":"+60","text":"x"', None),
        (b'{"specversion":"1.0","id":"e-1","data":"x"}', "e-1"),
        (b'{"specversion":"1.0","id":"e-1"}', "e-1"),
        (b"[]", None),
    ],
)
def test_only_a_readable_id_is_used(value: bytes, id_: str | None) -> None:
    """Two ids, or one that cannot be repeated, are none. A number is its digits."""
    assert refusal(value).partial.id == id_


@pytest.mark.parametrize(
    ("fields", "id_"),
    [
        ({"to": "+60123456789", "id": "o-1"}, None),
        ({"to": "+60123456789", "id": "o-1", "request_id": "c-1"}, "c-1"),
        ({"to": "+60123456789", "id": "o-1", "request_id": "\n"}, None),
        ({"batch_id": "b", "request_id": "c-1"}, "c-1"),
    ],
)
@pytest.mark.parametrize("kind", ["cancel", "Cancel ", "edit", "revoke"])
def test_a_cancel_is_never_answered_under_the_id_that_it_names(
    kind: str, fields: dict[str, Any], id_: str | None
) -> None:
    """It is answered under its own id, and does not count as a member of the batch."""
    cancel = {"type": kind, **fields}
    encoded = orjson.dumps(cancel)
    for value, headers in (
        (encoded, [("ce_id", b"o-1")]),
        (encoded, [*STRUCTURED, ("ce_id", b"o-1")]),
        (encoded[:-1] + b',"x":1,"x":2}', []),
        (encoded[:-1] + b',"type":"x"}', []),
        (encode_event(data={**cancel, "x": "\0"}), []),
    ):
        partial = refusal(value, headers).partial
        assert (partial.id, partial.batch_id) == (id_, None)


def test_metadata_that_cannot_be_repeated_are_left_out() -> None:
    """The id is in the answer nevertheless."""
    for metadata in (b'{"a":"\\u0000"}', b'{"a":1e999}', b'{"a":"\\ud800"}', b'{"a":1,"a":2}'):
        value = b'{"id":"o-1","to":"+60","text":"x","metadata":%s}' % metadata
        assert refusal(value).partial == PartialRequest(id="o-1", to="+60")


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda data: b'{"id":"a",%s}' % data))
def test_any_bytes_give_a_request_or_an_answer(value: bytes) -> None:
    """What is read of a record can be encoded."""
    for headers in ([], STRUCTURED):
        try:
            assert isinstance(request.parse(value, headers, max_bytes=100), Request)
        except InvalidRequest as error:
            partial = error.partial
            orjson.dumps([partial.id, partial.to, partial.batch_id])
