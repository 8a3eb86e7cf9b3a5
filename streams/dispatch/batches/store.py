"""The rows of batches in the table `rows`: how they are keyed, read and written. Decides nothing.

| key                        | value                                                                |
|----------------------------|----------------------------------------------------------------------|
| `b` batch id               | the batch's row, whose changelog record commits an event             |
| `c` batch id \\0 number     | the statuses of `CHUNK_SIZE` members                                 |
| `n` batch id \\0 first      | phone and id of the members of one record                            |

They are in the table of the phones, because a partition of the batch log has the same owner as that of the phone log.
No row of a phone and of a batch are written together.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from streams.dispatch import phone_store
from streams.domain.batch import state as stored
from streams.domain.batch.state import CHUNK_SIZE, Batch, BatchChanges, Members
from streams.runtime.store.rows import UndecodableRow
from streams.runtime.table import Change, DurableTable

BATCH, CHUNK, MEMBERS = b"b", b"c", b"n"
_NUMBER: Final = struct.Struct(">I")


def _check_chunk(data: bytes) -> None:
    if len(data) != CHUNK_SIZE:
        raise ValueError(len(data))


_DECODERS: Final[dict[bytes, Callable[[bytes], Any]]] = {
    BATCH: stored.decode_batch,
    CHUNK: _check_chunk,
    MEMBERS: stored.decode_members,
}
_DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, ValueError)


def check_row(key: bytes, value: bytes) -> Any:
    """The row in a record of the changelog of the table. Raises NotARow or UndecodableRow."""
    decode = _DECODERS.get(key[:1])
    if decode is None:
        return phone_store.check_row(key, value)
    try:
        return decode(value)
    except _DECODE_ERRORS as error:
        kind = key[:1].decode()
        raise UndecodableRow(
            f"a row of kind {kind} cannot be decoded ({type(error).__name__})"
        ) from None


class BatchStore:
    """The rows of batches of one partition."""

    def __init__(self, table: DurableTable, partition: int) -> None:
        self._table = table
        self.partition = partition

    def get_batch(self, batch_id: str) -> Batch | None:
        """The batch's row."""
        data = self._get(BATCH + batch_id.encode())
        return None if data is None else stored.decode_batch(data)

    def get_chunk(self, batch_id: str, number: int) -> bytes | None:
        """See `BatchReader`."""
        return self._get(_number_key(CHUNK, batch_id, number))

    def get_members(self, batch_id: str, first: int) -> Members | None:
        """The members of the record that begins with this one."""
        data = self._get(_number_key(MEMBERS, batch_id, first))
        return None if data is None else stored.decode_members(data)

    def iter_batches(self) -> Iterator[Batch]:
        """Every batch. Do not await while iterating."""
        for key, data in self._table.scan(self.partition, BATCH):
            self._check(key, data)
            yield stored.decode_batch(data)

    def _get(self, key: bytes) -> bytes | None:
        data = self._table.get(self.partition, key)
        if data is not None:
            self._check(key, data)
        return data

    def _check(self, key: bytes, data: bytes) -> None:
        """A row that cannot be decoded ends the process, and is not recovered again."""
        try:
            check_row(key, data)
        except UndecodableRow as error:
            self._table.reject_row(self.partition, error)

    async def commit(self, *changes: BatchChanges) -> None:
        """Make durable everything that was changed, as a whole or not at all."""
        rows = [row for change in changes for row in _row_changes(change)]
        await self._table.write(self.partition, rows)

    async def remove(self, row: Batch) -> None:
        """Forget the batch."""
        beside = [
            key
            for kind in (CHUNK, MEMBERS)
            for key, _ in self._table.scan(self.partition, _number_key(kind, row.batch_id))
        ]
        keys = [BATCH + row.batch_id.encode(), *beside]
        await self._table.write(self.partition, [(key, None) for key in keys])


def _row_changes(changes: BatchChanges) -> Iterator[Change]:
    row = changes.row
    yield BATCH + row.batch_id.encode(), stored.encode_batch(row)
    for number, chunk in changes.chunks.items():
        yield _number_key(CHUNK, row.batch_id, number), chunk
    for first, members in changes.members.items():
        yield _number_key(MEMBERS, row.batch_id, first), stored.encode_members(members)


def _number_key(kind: bytes, batch_id: str, number: int | None = None) -> bytes:
    suffix = b"" if number is None else _NUMBER.pack(number)
    return kind + batch_id.encode() + b"\0" + suffix
