"""The rows of the table `sends`: read, written in batches, removed when they expire. Decides nothing.

A row is 150 bytes in RocksDB and costs microseconds to read, so only the rows that are being written
are kept in memory. Writes of the same moment go out together: the table's order is kept, and a message
costs less than two batches.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import Final, NoReturn, Protocol

import msgspec
from msgspec.structs import replace

from streams.domain.sending import claim as stored
from streams.domain.sending.claim import Claim
from streams.domain.sending.claim_times import claim_expires_at_s, clamp_times, is_only_counted
from streams.domain.sending.forgotten import make_remainder
from streams.domain.sending.message_id import PREFIX
from streams.domain.sending.resolved import (
    BARRIER_PREFIX,
    NOTHING_RESOLVED,
    Resolved,
    decode_barrier,
)
from streams.runtime.batching import ITERATIONS_TO_NEXT_WRITE, join_next_request
from streams.runtime.store.rows import UndecodableRow
from streams.runtime.table import Appended, Change

log = logging.getLogger(__name__)

PARTITION: Final = 0  # a send topic has only this one
BATCH_SIZE: Final = 2000  # rows read at once: a few milliseconds
MAX_DELETES_PER_SWEEP: Final = 200
_KEY_PREFIX: Final = PREFIX.encode()
_NOTICED_KEY: Final = b"noticed_before"  # see Resolved; it must survive this process


def check_row(key: bytes, value: bytes) -> None:
    """Check a record of the changelog. Raises UndecodableRow for a claim that cannot be decoded.

    The few other rows (restrictions, counts) are checked where they are read.
    """
    if key.startswith(_KEY_PREFIX):
        _decode(value)


def _decode(value: bytes) -> Claim:
    try:
        return stored.decode(value)
    except msgspec.DecodeError as error:
        raise UndecodableRow(f"a claim cannot be decoded ({type(error).__name__})") from None


class Table(Protocol):
    """What the sender needs of a durable table."""

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    async def write(self, partition: int, changes: list[Change]) -> Appended:
        """Returns once the broker has all of them."""
        ...

    def latest_appended_s(self, partition: int) -> float:
        """The latest append time of all records that the rows were made from."""
        ...

    def scan(
        self, partition: int, prefix: bytes, *, after: bytes = b""
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows with this prefix after the key `after`, in the order of their keys."""
        ...

    def reject_row(self, partition: int, error: UndecodableRow) -> NoReturn:
        """A row cannot be decoded: end the process."""
        ...


class _WriteBatch:
    """Changes that become durable together."""

    def __init__(self) -> None:
        self.changes: dict[bytes, bytes | None] = {}
        self.durable: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()


class ClaimStore:
    """Rows by WhatsApp id. `get` returns what `put` was given at once; it is durable when `put` returns."""

    def __init__(
        self,
        table: Table,
        *,
        idempotency_window_s: float,
        now_s: Callable[[], float],
        read_send_end: Callable[[], Awaitable[int]],
        is_to_forget: Callable[[Claim], bool] = lambda _claim: False,
    ) -> None:
        """`read_send_end` gives the end offset of the send topic as it is now.

        `is_to_forget`: the recipient of the claim is forgotten, and the row still has to be replaced.
        """
        self.resolved = NOTHING_RESOLVED  # when the last row that is durable was written
        self._table = table
        self._read_send_end = read_send_end
        self._idempotency_window_s = idempotency_window_s
        self._now_s = now_s
        self._is_to_forget = is_to_forget
        self._next_batch: _WriteBatch | None = None
        self._writing_batch: _WriteBatch | None = None
        self._buffer: dict[bytes, bytes | None] = {}
        self._writer_task: asyncio.Task[None] | None = None
        self._sweep_cursor = b""

    async def open(self) -> None:
        """The table has been recovered: find out what somebody may have ended meanwhile. Nothing is written before."""
        barriers = self._table.scan(PARTITION, BARRIER_PREFIX)
        noticed = self._table.get(PARTITION, _NOTICED_KEY) or b"0"
        resolved_before = [decode_barrier(value) for value in (noticed, *(v for _, v in barriers))]
        self.resolved = Resolved(
            noticed_before=max(resolved_before),
            recovered_before=await self._read_send_end(),
            latest_s=self._table.latest_appended_s(PARTITION),
        )

    # -- rows

    def get(self, whatsapp_id: str) -> Claim | None:
        """The row of this id. One that is only kept to be counted is as if it were not there.

        One that is to be forgotten is as if it were already: its account may wait for a ready page for long.
        """
        data = self.read(whatsapp_id.encode())
        claim = None if data is None else self._decode(data)
        if claim is None or is_only_counted(claim, self._idempotency_window_s, self._now_s()):
            return None
        return make_remainder(claim, self._now_s()) if self._is_to_forget(claim) else claim

    def _decode(self, data: bytes) -> Claim:
        try:
            return _decode(data)
        except UndecodableRow as error:
            self._table.reject_row(PARTITION, error)

    async def put(self, whatsapp_id: str, claim: Claim | None) -> float | None:
        """Write a row, or remove it; durable when this returns. Returns as `write` does."""
        return await self.write(
            whatsapp_id.encode(), None if claim is None else stored.encode(claim)
        )

    def read(self, key: bytes) -> bytes | None:
        """Any value of the table, including those that are being written."""
        for changes in self._iter_pending_changes():
            if key in changes:
                return changes[key]
        return self._table.get(PARTITION, key)

    def _iter_pending_changes(self) -> Iterator[Mapping[bytes, bytes | None]]:
        """The changes that are not in the table yet, newest first."""
        yield self._buffer
        for batch in (self._next_batch, self._writing_batch):
            if batch is not None:
                yield batch.changes

    def read_prefix(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Every row of the table whose key begins so. What is being written is not among them."""
        return self._table.scan(PARTITION, prefix)

    async def write(self, key: bytes, value: bytes | None) -> float | None:
        """Write any value; durable when this returns.

        Returns when the broker appended the record, by its own clock; None if it did not say so.
        """
        if self._next_batch is None:
            self._next_batch = _WriteBatch()
        batch = self._next_batch
        batch.changes[key] = value
        self._buffer.pop(key, None)
        if self._writer_task is None:
            self._writer_task = asyncio.create_task(self._write_batches(), name="claims")
        return await asyncio.shield(batch.durable)

    def put_buffered(self, whatsapp_id: str, claim: Claim) -> None:
        """Write a row with the next batch or at the next `flush`: for what a crash may lose."""
        self.write_buffered(whatsapp_id.encode(), stored.encode(claim))

    def write_buffered(self, key: bytes, value: bytes) -> None:
        """Write any value in the same way."""
        self._buffer[key] = value

    async def flush(self) -> None:
        """Make the buffered rows durable."""
        if self._buffer:
            key, value = next(iter(self._buffer.items()))
            await self.write(key, value)  # the others go along in its batch

    async def _write_batches(self) -> None:
        """Write batches until there is none; what arrives meanwhile is the next batch."""
        try:
            while self._next_batch is not None:
                await join_next_request(ITERATIONS_TO_NEXT_WRITE)
                self._writing_batch, self._next_batch = self._next_batch, None
                self._writing_batch.changes |= self._buffer
                self._buffer = {}
                await self._write_batch(self._writing_batch)
                self._writing_batch = None
        finally:
            self._writing_batch = self._writer_task = None

    async def _write_batch(self, batch: _WriteBatch) -> None:
        try:
            appended = await self._table.write(PARTITION, list(batch.changes.items()))
            if not appended.follows_own:
                await self._notice_others()
        except Exception as error:  # noqa: BLE001 - raised where the row is waited for
            batch.durable.set_exception(error)
            return
        except asyncio.CancelledError:
            batch.durable.cancel()
            raise
        batch.durable.set_result(appended.at_s)

    async def _notice_others(self) -> None:
        """Somebody else has written before the last own record: no dispatch of before is submitted.

        Until that is durable, the recovery of another process would still read what they wrote (table.py).
        """
        follows_own = False
        while not follows_own:
            noticed_before = await self._read_send_end()
            row = (_NOTICED_KEY, b"%d" % noticed_before)
            follows_own = (await self._table.write(PARTITION, [row])).follows_own
            self.resolved = replace(self.resolved, noticed_before=noticed_before)
        log.warning(
            "somebody has looked for claims while this sender was silent: "
            "what was dispatched before is not submitted"
        )

    # -- many rows

    def scan_others(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """The values with this prefix, which is not that of claims. Without those that are being written."""
        return list(self._table.scan(PARTITION, prefix))

    def read_batch(self, after: bytes = b"") -> tuple[list[tuple[str, Claim]], bytes]:
        """The next rows after the key `after`, and the last one's key; b"" when there are none."""
        items = list(islice(self._table.scan(PARTITION, _KEY_PREFIX, after=after), BATCH_SIZE))
        rows = [(key.decode(), self._decode(data)) for key, data in items]
        return rows, items[-1][0] if items else b""

    async def scan_all(self) -> AsyncIterator[tuple[str, Claim]]:
        """Every row, a batch at a time."""
        rows, after = self.read_batch()
        while after:
            for row in rows:
                yield row
            await asyncio.sleep(0)  # let other work go on between two batches
            rows, after = self.read_batch(after)

    async def sweep(self) -> int:
        """Read the next batch and remove a few expired rows of it; returns how many.

        Times that lie after now are corrected.
        """
        rows, self._sweep_cursor = self.read_batch(self._sweep_cursor)
        now_s = self._now_s()
        for key, row in rows:
            clamped = clamp_times(row, now_s)
            if clamped != row:
                self.put_buffered(key, clamped)
        expired_ids = [
            key for key, row in rows if claim_expires_at_s(row, self._idempotency_window_s) <= now_s
        ]
        removed_ids = expired_ids[:MAX_DELETES_PER_SWEEP]
        if len(expired_ids) > len(removed_ids):
            self._sweep_cursor = removed_ids[-1].encode()
        if removed_ids:
            await asyncio.gather(*(self.put(key, None) for key in removed_ids))
        return len(removed_ids)
