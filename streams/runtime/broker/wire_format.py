"""Encodes and decodes the two frequent requests, produce and fetch, faster than aiokafka does. Decides nothing.

aiokafka walks a schema, and calls a function for every field of every partition. A fetch names all partitions each
time, with work or without, so this took as long as the handling of several records. Here a partition is one call of
`struct`. What comes out is the same (tests/runtime/test_wire_format.py); other versions of the requests are left alone.
Kafka's protocol guide names the fields: https://kafka.apache.org/protocol
"""

from io import BytesIO
from struct import Struct
from typing import Any, Final

from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7

_INT16: Final = Struct(">h")
_INT32: Final = Struct(">i")
_FETCH_REQUEST: Final = Struct(">iiiibiii")  # up to the number of topics
_FETCH_REQUEST_PARTITION: Final = Struct(">iiqqi")
_FETCH_RESPONSE: Final = Struct(">ihii")  # up to the number of topics
_FETCH_RESPONSE_PARTITION: Final = Struct(">ihqqqi")  # up to the number of aborted transactions
_ABORTED_TRANSACTION: Final = Struct(">qq")
_FETCHED_RECORDS: Final = Struct(">ii")  # preferred replica, and the size of the records
_PRODUCE_REQUEST: Final = Struct(">hii")  # after the transactional id, up to the number of topics
_PRODUCE_REQUEST_PARTITION: Final = Struct(">ii")  # and the size of the batch
_PRODUCE_RESPONSE_PARTITION: Final = Struct(">ihqqq")


def install() -> None:
    """Let every client of this process use them. Harmless when it is done already."""
    FetchRequest_v11.encode = encode_fetch_request  # type: ignore[method-assign]
    FetchResponse_v11.decode = classmethod(decode_fetch_response)  # type: ignore[assignment,method-assign]
    ProduceRequest_v7.encode = encode_produce_request  # type: ignore[method-assign]
    ProduceResponse_v7.decode = classmethod(decode_produce_response)  # type: ignore[assignment,method-assign]


def _encode_string(text: str | None) -> bytes:
    if text is None:
        return _INT16.pack(-1)
    data = text.encode()
    return _INT16.pack(len(data)) + data


def encode_fetch_request(request: Any) -> bytes:
    """The request as it is sent."""
    parts = [
        _FETCH_REQUEST.pack(
            request.replica_id,
            request.max_wait_time,
            request.min_bytes,
            request.max_bytes,
            request.isolation_level,
            request.session_id,
            request.session_epoch,
            len(request.topics),
        )
    ]
    for topic, partitions in request.topics:
        parts += (_encode_string(topic), _INT32.pack(len(partitions)))
        parts += [_FETCH_REQUEST_PARTITION.pack(*partition) for partition in partitions]
    parts.append(_INT32.pack(len(request.forgotten_topics_data)))
    for topic, numbers in request.forgotten_topics_data:
        parts += (_encode_string(topic), _INT32.pack(len(numbers)), *map(_INT32.pack, numbers))
    parts.append(_encode_string(request.rack_id))
    return b"".join(parts)


def encode_produce_request(request: Any) -> bytes:
    """The request as it is sent."""
    parts = [
        _encode_string(request.transactional_id),
        _PRODUCE_REQUEST.pack(request.required_acks, request.timeout, len(request.topics)),
    ]
    for topic, partitions in request.topics:
        parts += (_encode_string(topic), _INT32.pack(len(partitions)))
        for partition, messages in partitions:
            parts += (_PRODUCE_REQUEST_PARTITION.pack(partition, len(messages)), messages)
    return b"".join(parts)


class _Reader:
    """Reads a response from where its header ends."""

    def __init__(self, data: BytesIO | bytes) -> None:
        self._buffer = data if isinstance(data, bytes) else data.read()
        self._pos = 0

    def unpack(self, fields: Struct) -> tuple[int, ...]:
        """The next fields. Raises struct.error at the end."""
        values = fields.unpack_from(self._buffer, self._pos)
        self._pos += fields.size
        return values

    def read(self, size: int) -> bytes:
        """The next bytes. Raises ValueError if there are fewer."""
        data = self._buffer[self._pos : self._pos + size]
        self._pos += size
        if len(data) != size:
            raise ValueError("the response ends too early")
        return data

    def read_string(self) -> str:
        """A text that is there."""
        (size,) = self.unpack(_INT16)
        return self.read(size).decode()

    def read_count(self) -> int:
        """The number of items that follow."""
        (count,) = self.unpack(_INT32)
        return count


def decode_fetch_response(cls: Any, data: BytesIO | bytes) -> Any:
    """The response, as aiokafka's class of it."""
    reader = _Reader(data)
    throttle_time_ms, error_code, session_id, topic_count = reader.unpack(_FETCH_RESPONSE)
    topics = [
        (
            reader.read_string(),
            [_read_fetched_partition(reader) for _ in range(reader.read_count())],
        )
        for _ in range(topic_count)
    ]
    return cls(throttle_time_ms, error_code, session_id, topics)


def _read_fetched_partition(reader: _Reader) -> tuple[Any, ...]:
    *fields, aborted_count = reader.unpack(_FETCH_RESPONSE_PARTITION)
    aborted = None
    if aborted_count >= 0:
        aborted = [reader.unpack(_ABORTED_TRANSACTION) for _ in range(aborted_count)]
    preferred_replica, size = reader.unpack(_FETCHED_RECORDS)
    return (*fields, aborted, preferred_replica, None if size < 0 else reader.read(size))


def decode_produce_response(cls: Any, data: BytesIO | bytes) -> Any:
    """The response, as aiokafka's class of it."""
    reader = _Reader(data)
    topics = [
        (
            reader.read_string(),
            [reader.unpack(_PRODUCE_RESPONSE_PARTITION) for _ in range(reader.read_count())],
        )
        for _ in range(reader.read_count())
    ]
    (throttle_time_ms,) = reader.unpack(_INT32)
    return cls(topics, throttle_time_ms)
