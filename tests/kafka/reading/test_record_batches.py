"""Batches with header names that are not UTF-8, as a producer in another language may write them."""

from typing import Any

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from streams.kafka.reading.record_batches import RecordBatches

GZIP, PLAIN = 1, 0


class Bytes(str):
    """A name that becomes these bytes on the wire."""

    __slots__ = ("raw",)
    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> "Bytes":
        """The name of these bytes."""
        name = cls("x" * len(raw))
        name.raw = raw
        return name

    def encode(self, *_: Any, **__: Any) -> bytes:
        """The raw bytes, whatever encoding is requested."""
        return self.raw


def make_builder(codec: int, *, base_sequence: int = -1, batch_size: int = 100_000) -> Any:
    """A batch to be filled; aiokafka's builder in Python takes anything for a header."""
    return _DefaultRecordBatchBuilderPy(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=base_sequence,
        batch_size=batch_size,
    )


def python_batch(builder: Any) -> Any:
    """aiokafka's batch of a producer, written by its Python part, which takes any name."""
    builder._builder = make_builder(PLAIN, base_sequence=0)
    return builder


def batch(headers: list[list[tuple[str, bytes | None]]], codec: int = PLAIN) -> bytes:
    """A batch with a record for each list of headers."""
    builder = make_builder(codec)
    for offset, record_headers in enumerate(headers):
        builder.append(offset, 1000 + offset, f"k{offset}".encode(), b"v" * offset, record_headers)
    return bytes(builder.build())


def read(data: bytes) -> list[Any]:
    batches, records = RecordBatches(data), []
    while batches.has_next():
        records += list(batches.next_batch() or ())
    return records


@pytest.mark.parametrize("codec", [PLAIN, GZIP])
def test_an_invalid_header_name_is_read_with_everything_around_it(codec: int) -> None:
    """Each record is read once, in order, with its key, value and time; other headers are unchanged."""
    strange = (Bytes.of(b"a\xff"), b"\xff")
    headers = [[("fine", b"1")], [("fine", None), strange], [], [strange, ("ü", b"2")]]
    records = read(batch(headers, codec))
    assert [(r.offset, r.timestamp, r.key, r.value) for r in records] == [
        (n, 1000 + n, f"k{n}".encode(), b"v" * n) for n in range(4)
    ]
    assert [list(r.headers) for r in records] == [
        [("fine", b"1")],
        [("fine", None), ("a\\xff", b"\xff")],
        [],
        [("a\\xff", b"\xff"), ("ü", b"2")],
    ]


def test_every_batch_of_a_response_is_read() -> None:
    """An invalid one in the middle does not lose the position of the next."""
    strange, fine = batch([[(Bytes.of(b"\x80"), b"1")]]), batch([[("fine", b"1")]] * 3)
    assert [len(list(r.headers)) for r in read(fine + strange + fine)] == [1] * 7


def test_a_batch_offers_what_aiokafka_uses() -> None:
    """Apart from reading, the batch is aiokafka's own."""
    records = RecordBatches(batch([[("fine", b"1")]]))
    first = records.next_batch()
    assert first is not None
    assert (first.base_offset, first.next_offset, first.is_control_batch) == (0, 1, False)
    assert first.validate_crc()
    assert next(first).key == b"k0"
    assert (records.has_next(), records.next_batch()) == (False, None)
