"""A table and an outlet of memory for the phone stage, so that a kill can be put between any two of its acts.

They promise what the real ones do (tests/runtime/test_table.py): a write is whole or not there at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from streams.dispatch.publisher import OutgoingRecord


class ProcessKilled(Exception):
    """The process is gone, at this very point."""


@dataclass
class Disk:
    """What survives: the table's rows, the topics, and how many acts are left until the kill."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    topics: list[OutgoingRecord] = field(default_factory=list)
    steps_left: int = 1_000_000

    def take_step(self) -> None:
        """One act; the process is killed before it when none is left."""
        if self.steps_left == 0:
            raise ProcessKilled
        self.steps_left -= 1


@dataclass
class InMemoryTable:
    """The table of a process: a write is whole or not there at all."""

    disk: Disk

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value of the key, or None."""
        return self.disk.rows.get(key)

    async def write(self, partition: int, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write all of the changes at once."""
        self.disk.take_step()
        for key, value in changes:
            if value is None:
                self.disk.rows.pop(key, None)
            else:
                self.disk.rows[key] = value
        self.disk.take_step()

    def scan(
        self, partition: int, prefix: bytes, *, after: bytes = b""
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows with this prefix behind the key `after`, in the order of their keys."""
        return iter(
            sorted((k, v) for k, v in self.disk.rows.items() if k.startswith(prefix) and k > after)
        )


@dataclass
class InMemoryPublisher:
    """Publishes to the topics of the disk."""

    disk: Disk

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Publish the records, in order."""
        for record in records:  # a kill may let any first part of them out
            self.disk.take_step()
            self.disk.topics.append(record)
