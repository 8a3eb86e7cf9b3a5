"""The rows of the table `sends`: read, written in groups, and forgotten when their time has come. Decides nothing.

A row is 150 bytes in RocksDB and costs microseconds to read, so none is kept in memory but those that
are being written. Writes of one moment go out together: the table's own order is kept, and a message
costs less than two of them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

from streams.domain.sending import claim as stored
from streams.domain.sending.claim import Claim
from streams.domain.sending.message_id import PREFIX

Change = tuple[bytes, bytes | None]

PARTITION: Final = 0  # an account's lane has one
SLICE: Final = 2000  # rows looked at in one go: a few milliseconds
FORGET_AT_ONCE: Final = 200
_ROWS: Final = PREFIX.encode()
_TURNS: Final = 3


class Table(Protocol):
    """What is needed of a durable table."""

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    async def write(self, partition: int, changes: list[Change]) -> None:
        """Returns once the broker has all of them."""
        ...

    def scan(
        self, partition: int, prefix: bytes, *, after: bytes = b""
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows of this prefix behind the key `after`, in the order of their keys."""
        ...


class _Group:
    """Changes that become durable together."""

    def __init__(self) -> None:
        self.changes: dict[bytes, bytes | None] = {}
        self.durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Claims:
    """Rows by WhatsApp id. `put` is seen by `get` at once and is durable when it returns."""

    def __init__(self, table: Table, *, keep_s: float, now_s: Callable[[], float]) -> None:
        self._table = table
        self._keep_s = keep_s
        self._now_s = now_s
        self._next: _Group | None = None
        self._going: _Group | None = None
        self._later: dict[bytes, bytes | None] = {}
        self._writer: asyncio.Task[None] | None = None
        self._swept = b""

    # -- rows

    def get(self, whatsapp_id: str) -> Claim | None:
        """The row of this id."""
        data = self.read(whatsapp_id.encode())
        return None if data is None else stored.decode(data)

    async def put(self, whatsapp_id: str, claim: Claim | None) -> None:
        """Write a row, or remove it; durable when this returns."""
        await self.write(whatsapp_id.encode(), None if claim is None else stored.encode(claim))

    def read(self, key: bytes) -> bytes | None:
        """Any value of the table, those that are being written included."""
        for changes in self._under_way():
            if key in changes:
                return changes[key]
        return self._table.get(PARTITION, key)

    def _under_way(self) -> Iterator[Mapping[bytes, bytes | None]]:
        """What is not in the table yet, the newest first."""
        yield self._later
        for group in (self._next, self._going):
            if group is not None:
                yield group.changes

    async def write(self, key: bytes, value: bytes | None) -> None:
        """Write any value; durable when this returns."""
        if self._next is None:
            self._next = _Group()
        group = self._next
        group.changes[key] = value
        self._later.pop(key, None)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(), name="claims")
        await asyncio.shield(group.durable)

    def put_later(self, whatsapp_id: str, claim: Claim) -> None:
        """Write a row with the next group, or at the next `flush`: for what may be lost by a crash."""
        self._later[whatsapp_id.encode()] = stored.encode(claim)

    async def flush(self) -> None:
        """Make durable what was put for later."""
        if self._later:
            key, value = next(iter(self._later.items()))
            await self.write(key, value)  # and the others go along

    async def _write(self) -> None:
        """Write groups until there is none; what arrives meanwhile is the next group."""
        try:
            while self._next is not None:
                # What follows from the same event, an answer and the next claim, is put within these
                # turns of the loop, and goes along.
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                self._going, self._next = self._next, None
                self._going.changes |= self._later
                self._later = {}
                await self._write_group(self._going)
                self._going = None
        finally:
            self._going = self._writer = None

    async def _write_group(self, group: _Group) -> None:
        try:
            await self._table.write(PARTITION, list(group.changes.items()))
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for the row
            group.durable.set_exception(error)
            return
        except asyncio.CancelledError:
            group.durable.cancel()
            raise
        group.durable.set_result(None)

    # -- many rows

    def some(self, after: bytes = b"") -> tuple[list[tuple[str, Claim]], bytes]:
        """The next rows behind the key `after`, and the last one's key; b"" when there is none."""
        found = list(islice(self._table.scan(PARTITION, _ROWS, after=after), SLICE))
        rows = [(key.decode(), stored.decode(data)) for key, data in found]
        return rows, found[-1][0] if found else b""

    async def all(self) -> AsyncIterator[tuple[str, Claim]]:
        """Every row, a slice at a time."""
        rows, after = self.some()
        while after:
            for each in rows:
                yield each
            await asyncio.sleep(0)  # other work may go on between two slices
            rows, after = self.some(after)

    async def sweep(self) -> int:
        """Look at the next slice and remove a few rows that are of no more use; returns how many."""
        rows, self._swept = self.some(self._swept)
        now_s = self._now_s()
        old = [key for key, row in rows if stored.claim_expires_at_s(row, self._keep_s) <= now_s]
        removed = old[:FORGET_AT_ONCE]
        if len(old) > len(removed):
            self._swept = removed[-1].encode()
        if removed:
            await asyncio.gather(*(self.put(key, None) for key in removed))
        return len(removed)
