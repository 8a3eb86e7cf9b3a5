"""Batches that unpack to more than a worker may hold: every record is delivered, and what is cut says so."""

import gzip

import cramjam
import pytest
from aiokafka.record.memory_records import MemoryRecords

from streams.contract import record_size
from streams.contract.record_size import CutBytes
from streams.kafka.reading import huge_batches
from streams.kafka.reading.record_batches import RecordBatches
from tests.kafka.reading.test_record_batches import make_builder

GZIP, LZ4, ZSTD = 1, 3, 4
MIB = 1 << 20


def batch(codec: int, *values: bytes, key: bytes = b"k", headers: int = 1) -> bytes:
    builder = make_builder(codec, batch_size=1 << 30)
    for offset, value in enumerate(values):
        builder.append(offset, 1000 + offset, key, value, [("h", b"x")] * headers)
    return bytes(builder.build())


def read(data: bytes) -> list:
    return list(RecordBatches(data).next_batch() or ())


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    unpack = huge_batches.unpack_if_huge
    monkeypatch.setattr(
        huge_batches, "unpack_if_huge", lambda codec, data: unpack(codec, data, MIB)
    )


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("codec", [GZIP, LZ4, ZSTD])
def test_every_record_of_a_huge_batch_is_delivered(codec: int) -> None:
    """Those before the edge are whole, the one at it is cut, and those behind it are empty."""
    records = read(batch(codec, b"first", b"0" * 3 * MIB, b"third", b"fourth"))
    assert [record.offset for record in records] == [0, 1, 2, 3]
    whole, cut, *behind = records
    assert (whole.key, whole.value, whole.headers) == (b"k", b"first", [("h", b"x")])
    assert record_size.full_size(cut.value) == 3 * MIB
    assert set(cut.value) == {ord("0")}
    for record in behind:
        assert isinstance(record.value, CutBytes)
        assert record_size.measure(record.key, record.value, record.headers) >= MIB


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("codec", [GZIP, LZ4, ZSTD])
@pytest.mark.parametrize("size", [0, 5000, MIB - 200])
def test_other_batches_are_read_as_before(codec: int, size: int) -> None:
    """The limit changes nothing for a batch that has less."""
    data = batch(codec, b"v" * size)
    (record,) = read(data)
    assert (record.key, record.value, record.headers) == (b"k", b"v" * size, [("h", b"x")])


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize(
    ("key", "value", "headers"), [(b"k" * 2 * MIB, b"v", 1), (b"k", b"v", 500_000)]
)
def test_a_record_that_is_cut_anywhere_is_too_large(key: bytes, value: bytes, headers: int) -> None:
    """A cut key or cut headers must not pass for a whole request, or for a tombstone."""
    (record,) = read(batch(ZSTD, value, key=key, headers=headers))
    assert record.value is not None
    assert record_size.measure(record.key, record.value, record.headers) >= MIB


def test_gigabytes_of_zeros_are_not_unpacked() -> None:
    """They would end the worker at every start."""
    plain = batch(0, b"")
    zeros = b"0" * 256 * MIB
    for codec, pack in ((GZIP, lambda data: gzip.compress(data, 1)), (ZSTD, cramjam.zstd.compress)):
        packed = bytes(pack(zeros))
        start = huge_batches.unpack_if_huge(codec, memoryview(plain[:61] + packed))
        assert len(start or b"") == huge_batches.MAX_UNPACKED_BYTES
    assert MemoryRecords(plain).has_next()
