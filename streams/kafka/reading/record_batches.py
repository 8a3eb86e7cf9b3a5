"""Reads records whose header names are not UTF-8, too. Anybody may put such a record on a topic.

aiokafka decodes each header name as UTF-8, and raises in the middle of a fetched batch if that fails: a worker, or the
console, would crash, be restarted, and crash again. The protocol calls the name a string, but brokers do not check it.
Here the invalid bytes of such a name are read as `\\xff`; keys, values and header values stay as they are. aiokafka's
own reader in C is used until it fails on a batch. A batch that unpacks to more than the memory is read in part
(huge_batches.py).
"""

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

from streams.kafka.reading import huge_batches

_BATCH_OVERHEAD = struct.calcsize(">qi")  # the bytes before those that a batch's length counts
_INT32 = struct.Struct(">i")


def install() -> None:
    """Let every consumer of this process read in this way. Harmless when it is done already."""
    fetcher.MemoryRecords = RecordBatches  # pyright: ignore[reportAttributeAccessIssue] - as much of it as is used


class RecordBatches:
    """Replaces aiokafka's MemoryRecords in its fetcher."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._inner = MemoryRecords(data)
        self._pos = 0

    def has_next(self) -> bool:
        """Whether another complete batch can be read."""
        return self._inner.has_next()

    def size_in_bytes(self) -> int:
        """The size of the response."""
        return self._inner.size_in_bytes()

    def next_batch(self) -> "RecordBatch | None":
        """The next batch."""
        batch = self._inner.next_batch()
        if batch is None:
            return None
        start = self._pos
        (length,) = _INT32.unpack_from(self._data, start + _BATCH_OVERHEAD - _INT32.size)
        self._pos = start + _BATCH_OVERHEAD + length
        return RecordBatch(batch, memoryview(self._data)[start : self._pos])


class RecordBatch:
    """aiokafka's batch, which is read again by another reader if a header name is not UTF-8."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        codec = self._batch.compression_type
        start = huge_batches.unpack_if_huge(codec, self._data) if codec else None
        if start is not None:
            yield from huge_batches.read_huge(self._batch, start)
            return
        last_offset = -1
        try:
            for record in self._batch:
                last_offset = record.offset
                yield record
        except UnicodeDecodeError:
            yield from (
                reread for reread in _TolerantBatch(self._data) if reread.offset > last_offset
            )


class _TolerantBatch(_DefaultRecordBatchPy):  # pyright: ignore[reportGeneralTypeIssues] - final by its hint only
    """aiokafka's reader in Python, with other rules for header names."""

    def _read_msg(self, decode_varint: Any = decode_varint) -> _DefaultRecordPy:
        reader = _BufferReader(self._buffer, self._pos)
        length = reader.read_varint()
        end = reader.pos + length
        reader.read_varint()  # attributes: Kafka defines none
        timestamp, offset = (
            self.first_timestamp + reader.read_varint(),
            self.base_offset + reader.read_varint(),
        )
        if self.timestamp_type == self.LOG_APPEND_TIME:
            timestamp = self.max_timestamp
        key, value = reader.read_bytes(), reader.read_bytes()
        headers = [
            (reader.read_header_name(), reader.read_bytes()) for _ in range(reader.read_varint())
        ]
        if reader.pos != end:
            raise CorruptRecordException(f"a record of {length} bytes ends at {reader.pos - end}")
        self._pos = end
        return _DefaultRecordPy(offset, timestamp, self.timestamp_type, key, value, headers)


class _BufferReader:
    """Reads a buffer from a position on (Kafka protocol, record format v2)."""

    def __init__(self, buffer: bytearray, pos: int) -> None:
        self._buffer = buffer
        self.pos = pos

    def read_varint(self) -> int:
        """A varint."""
        value, self.pos = decode_varint(self._buffer, self.pos)
        return value

    def read_bytes(self) -> bytes | None:
        """Bytes with their length before them; a negative length means None."""
        length = self.read_varint()
        if length < 0:
            return None
        self.pos += length
        return bytes(self._buffer[self.pos - length : self.pos])

    def read_header_name(self) -> str:
        """A header name, with invalid bytes as backslash escapes."""
        return (self.read_bytes() or b"").decode(errors="backslashreplace")
