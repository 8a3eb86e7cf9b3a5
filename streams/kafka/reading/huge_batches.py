"""Reads a batch that unpacks to more than a process may hold: 4 MiB of zstd can hold gigabytes of zeros.

Of such a batch only the first `MAX_UNPACKED_BYTES` are unpacked. Every record of it is still delivered, so that it is
answered: those inside as they are, the one at the edge cut, and those behind it empty. A cut field is a `CutBytes`,
whose full size is larger than any request may be.
"""

import zlib
from collections.abc import Iterator
from typing import Any, Final

import cramjam
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordPy
from aiokafka.record.util import decode_varint

from streams.contract.record_size import CutBytes

MAX_UNPACKED_BYTES: Final = 128 << 20
# No codec makes more than MAX_UNPACKED_BYTES out of so few bytes: zstd packs 128 KiB into 4 bytes at best.
_HARMLESS_BYTES: Final = 4096
_HEADER_BYTES: Final = 61  # of a batch, before its records
_FIRST_GUESS: Final = 8  # how much larger the records usually are than the batch
_GZIP: Final = 31  # zlib's word for a gzip header
_MAX_VARINT_BYTES: Final = 10
_LOG_APPEND_TIME: Final = 1

_UNPACKED_BY_CRAMJAM: Final = (DefaultRecordBatch.CODEC_LZ4, DefaultRecordBatch.CODEC_ZSTD)


def unpack_if_huge(
    codec: int, data: memoryview, max_bytes: int = MAX_UNPACKED_BYTES
) -> bytes | None:
    """The first `max_bytes` of the records of this batch, if they have more; else None."""
    packed = data[_HEADER_BYTES:]
    if len(packed) <= _HARMLESS_BYTES and max_bytes >= MAX_UNPACKED_BYTES:
        return None
    if codec == DefaultRecordBatch.CODEC_GZIP:
        unpacker = zlib.decompressobj(_GZIP)
        start = unpacker.decompress(packed, max_bytes)
        return None if unpacker.eof else start
    if codec not in _UNPACKED_BY_CRAMJAM:  # snappy makes at most 21 bytes out of one
        return None
    size = min(len(packed) * _FIRST_GUESS, max_bytes)
    while not _fits(codec, packed, buffer := bytearray(size)):
        if size == max_bytes:
            return bytes(buffer)
        size = min(size * _FIRST_GUESS, max_bytes)
    return None


def _fits(codec: int, packed: memoryview, buffer: bytearray) -> bool:
    """Whether the records fit into the buffer, which has their beginning in any case."""
    is_lz4 = codec == DefaultRecordBatch.CODEC_LZ4
    unpack: Any = cramjam.lz4.decompress_into if is_lz4 else cramjam.zstd.decompress_into
    try:
        unpack(packed, buffer)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):
            return False
        raise
    return True


def read_huge(batch: Any, start: bytes) -> Iterator[_DefaultRecordPy]:
    """Every record of the batch, of whose records only the first bytes are there."""
    reader = _Reader(start)
    last_offset = batch.base_offset + batch.last_offset_delta
    next_offset = batch.base_offset
    while next_offset <= last_offset:
        record = _read_record(batch, reader, next_offset)
        next_offset = record.offset + 1
        yield record


def _read_record(batch: Any, reader: "_Reader", expected_offset: int) -> _DefaultRecordPy:
    timestamp, offset = batch.max_timestamp, expected_offset
    key: bytes | None = None
    value: bytes | None = None
    headers: list[tuple[str, bytes | None]] = []
    try:
        reader.read_varint()  # its length
        reader.read_varint()  # attributes: Kafka defines none
        timestamp = batch.first_timestamp + reader.read_varint()
        offset = batch.base_offset + reader.read_varint()
        key = reader.read_field()
        value = reader.read_field()
        for _ in range(reader.read_varint()):
            headers.append((reader.read_name(), reader.read_field()))
    except IndexError:
        # What follows is not known, so the record must not pass for a whole one.
        missing = CutBytes(b"", len(reader.data))
        if value is None:
            value = missing
        elif not isinstance(value, CutBytes):
            headers.append(("", missing))
    if batch.timestamp_type == _LOG_APPEND_TIME:
        timestamp = batch.max_timestamp
    return _DefaultRecordPy(offset, timestamp, batch.timestamp_type, key, value, headers)


class _Reader:
    """Reads the beginning of records. A field that goes beyond the end is read as `CutBytes`."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self._pos = 0

    def read_varint(self) -> int:
        """A varint. Raises IndexError at the end, or so near to it that it may be cut."""
        if len(self.data) - self._pos < _MAX_VARINT_BYTES:
            raise IndexError
        value, self._pos = decode_varint(self.data, self._pos)
        return value

    def read_field(self) -> bytes | None:
        """A key, a value, or the value of a header; None if it has none. Raises IndexError at the end."""
        size = self.read_varint()
        if size < 0:
            return None
        field = bytes(self.data[self._pos : self._pos + size])
        self._pos += size
        return field if len(field) == size else CutBytes(field, size)

    def read_name(self) -> str:
        """The name of a header."""
        return (self.read_field() or b"").decode(errors="backslashreplace")
