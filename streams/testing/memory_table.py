"""A table and a publisher in memory for the phone stage, so that a test can kill it between any two steps.

They promise what the real ones do (tests/runtime/test_table.py): a write happens as a whole or not at
all. They decide nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from streams.dispatch.publisher import OutgoingRecord
from streams.runtime.store.changelog import Appended
from streams.runtime.store.rows import UndecodableRow


class ProcessKilled(BaseException):
    """The process is killed at this point. No `except Exception` sees it, as no code sees a real kill."""


@dataclass
class Disk:
    """What survives a kill: the table's rows and the topics. `steps_left` steps remain until the kill."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    topics: list[OutgoingRecord] = field(default_factory=list)
    steps_left: int = 1_000_000
    write_count: int = 0

    def take_step(self) -> None:
        """Take one step; if none is left, the process is killed before it."""
        if self.steps_left == 0:
            raise ProcessKilled
        self.steps_left -= 1


@dataclass
class InMemoryTable:
    """The table of a process."""

    disk: Disk
    now_s: Callable[[], float] | None = None  # the broker's clock
    foreign_records: int = 0  # that others have written since the last own write
    latest_s: float = 0.0

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value of the key, or None."""
        return self.disk.rows.get(key)

    async def write(
        self, partition: int, changes: Sequence[tuple[bytes, bytes | None]]
    ) -> Appended:
        """Write all of the changes at once. Returns the append time, if there is a clock."""
        if not changes:
            return Appended(None, follows_own=True)
        self.disk.take_step()
        self.disk.write_count += 1
        appended_at_s = self.now_s() if self.now_s else None
        for key, value in changes:
            if value is None:
                self.disk.rows.pop(key, None)
            else:
                self.disk.rows[key] = value
        self.disk.take_step()
        follows_own, self.foreign_records = not self.foreign_records, 0
        return Appended(appended_at_s, follows_own)

    def latest_appended_s(self, partition: int) -> float:
        """The latest append time of all records."""
        return self.latest_s

    def scan(
        self, partition: int, prefix: bytes, *, after: bytes = b""
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows with this prefix after the key `after`, in the order of their keys."""
        return iter(
            sorted((k, v) for k, v in self.disk.rows.items() if k.startswith(prefix) and k > after)
        )

    def reject_row(self, partition: int, error: UndecodableRow) -> NoReturn:
        """The process ends."""
        raise ProcessKilled from error


@dataclass
class InMemoryPublisher:
    """Publishes to the topics of the disk."""

    disk: Disk
    refused_topics: set[str] = field(default_factory=set)

    async def publish(self, records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
        """Publish the records, in order. Those of `refused_topics` are too large for them."""
        for record in records:  # a kill may come between any two of them
            self.disk.take_step()
            if record.topic not in self.refused_topics:
                self.disk.topics.append(record)
        return [record for record in records if record.topic in self.refused_topics]


@dataclass
class InMemoryStageMetrics:
    """Remembers what the phone stage counts."""

    illegal_transitions: int = 0
    contradicting_receipts: int = 0
    missing_payloads: list[str] = field(default_factory=list)
    consent_changes: list[str] = field(default_factory=list)
    internal_errors: list[str] = field(default_factory=list)

    def count_illegal_transition(self) -> None:
        """See `StageMetrics`."""
        self.illegal_transitions += 1

    def count_contradicting_receipt(self) -> None:
        """See `StageMetrics`."""
        self.contradicting_receipts += 1

    def count_consent_change(self, status: str) -> None:
        """See `StageMetrics`."""
        self.consent_changes.append(status)

    def count_missing_payload(self, case: str) -> None:
        """See `StageMetrics`."""
        self.missing_payloads.append(case)

    def count_internal_error(self, kind: str) -> None:
        """See `StageMetrics`."""
        self.internal_errors.append(kind)
