"""Our encoders and decoders of frequent requests do what aiokafka's own do, which walk the schemas."""

from io import BytesIO
from typing import Any

from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7
from aiokafka.protocol.struct import Struct
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime import patches
from streams.runtime.broker import wire_format

int8s = st.integers(-(2**7), 2**7 - 1)
int16s = st.integers(-(2**15), 2**15 - 1)
int32s = st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)


def topics(*fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An array of topics, whose partitions have these fields."""
    return st.lists(st.tuples(st.text(), st.lists(st.tuples(*fields), max_size=3)), max_size=3)


@given(
    st.tuples(
        *[int32s] * 4,
        int8s,
        *[int32s] * 2,
        topics(int32s, int32s, int64s, int64s, int32s),
        st.lists(st.tuples(st.text(), st.lists(int32s, max_size=3)), max_size=2),
        st.text(),
    )
)
def test_a_fetch_request(fields: tuple[Any, ...]) -> None:
    """With every field, also those that aiokafka leaves empty today."""
    request = FetchRequest_v11(*fields)
    assert wire_format.encode_fetch_request(request) == Struct.encode(request)


@given(st.tuples(st.none() | st.text(), int16s, int32s, topics(int32s, st.binary())))
def test_a_produce_request(fields: tuple[Any, ...]) -> None:
    """With and without a transactional id."""
    request = ProduceRequest_v7(*fields)
    assert wire_format.encode_produce_request(request) == Struct.encode(request)


@given(
    st.tuples(
        int32s,
        int16s,
        int32s,
        topics(
            int32s,
            int16s,
            int64s,
            int64s,
            int64s,
            st.none() | st.lists(st.tuples(int64s, int64s), max_size=2),
            int32s,
            st.none() | st.binary(),
        ),
    )
)
def test_a_fetch_response(fields: tuple[Any, ...]) -> None:
    """From bytes, and from a buffer whose header was read."""
    response = FetchResponse_v11(*fields)
    data = Struct.encode(response)
    buffer = BytesIO(b"head" + data)
    buffer.seek(4)
    assert wire_format.decode_fetch_response(FetchResponse_v11, data) == response
    assert wire_format.decode_fetch_response(FetchResponse_v11, buffer) == response


@given(st.tuples(topics(int32s, int16s, int64s, int64s, int64s), int32s))
def test_a_produce_response(fields: tuple[Any, ...]) -> None:
    """As the broker sends it."""
    response = ProduceResponse_v7(*fields)
    data = Struct.encode(response)
    assert wire_format.decode_produce_response(ProduceResponse_v7, data) == response


def test_they_are_installed() -> None:
    """aiokafka's classes use them."""
    patches.install()
    assert FetchRequest_v11.encode is wire_format.encode_fetch_request
    assert ProduceRequest_v7.encode is wire_format.encode_produce_request
    response = ProduceResponse_v7([], 7)
    assert ProduceResponse_v7.decode(Struct.encode(response)) == response
