"""The intake and the phone stage of a dispatcher, without Faust, Kafka and RocksDB; what they write is kept.

For dispatcher_layers.py, which measures them and the layers below them with the same records and rows.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import orjson

from benchmarks.dispatching.stand_in import make_events
from streams.contract import account
from streams.dispatch.accounts import Accounts
from streams.dispatch.conversion import LogRecord
from streams.dispatch.gauges import Gauges
from streams.dispatch.intake import Intake
from streams.dispatch.phone_stage import PhoneStage
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.request_reader import RequestReader
from streams.dispatch.templates.library import TemplateLibrary
from streams.dispatch.timer_service import TimerService
from streams.domain.phone import events
from streams.domain.phone.events import SourceRecord
from streams.domain.policy import Policy
from streams.domain.sending import command
from streams.runtime.store.changelog import Appended, Change
from streams.testing.memory_table import Disk, InMemoryStageMetrics, InMemoryTable
from tests.support.stage_world import READY, make_record_mapper

NOW_S: Final = 1_790_000_000.0


class RecordingTable(InMemoryTable):
    """Rows in memory; what each commit wrote is kept, for the layers below."""

    def __init__(self) -> None:
        super().__init__(Disk())
        self.commits: list[list[Change]] = []

    async def write(self, partition: int, changes: Sequence[Change]) -> Appended:
        """See `InMemoryTable`."""
        if changes:
            self.commits.append(list(changes))
        return await super().write(partition, changes)


class RecordingPublisher:
    """Keeps what is published together."""

    def __init__(self) -> None:
        self.batches: list[list[OutgoingRecord]] = []

    async def publish(self, records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
        """See `Publisher`."""
        if records:
            self.batches.append(list(records))
        return []

    def take(self) -> list[OutgoingRecord]:
        """All that was published since the last call."""
        batches, self.batches = self.batches, []
        return [record for batch in batches for record in batch]


class Layers:
    """The intake and the phone stage, without Faust, Kafka and RocksDB."""

    def __init__(self, group: int, places: int) -> None:
        """`group`: events of a commit. `places`: of the account; the others wait, as in scenario c."""
        self._group = group
        self._offset = 0
        self._first = 0
        self.table, self.publisher = RecordingTable(), RecordingPublisher()
        mapper = make_record_mapper()
        reader = RequestReader("MY", 1 << 20, TemplateLibrary(lambda: NOW_S))
        self._intake = Intake("phone", mapper, reader)
        accounts = Accounts(lambda: None)
        accounts.apply_record(b"main", account.encode(READY))
        self._stage = PhoneStage(
            Policy(),
            accounts,
            TimerService(accounts, self.publisher, "phone", places, lambda: NOW_S),
            Gauges(),
            mapper,
            self.publisher,
            InMemoryStageMetrics(),
            lambda append_s: append_s,
        )

    def make_requests(self, count: int) -> list[tuple[SourceRecord, float]]:
        """Requests to as many new phones."""
        first, self._first = self._first, self._first + count
        return [
            (
                SourceRecord(
                    topic="wa.outbound",
                    partition=0,
                    offset=number,
                    timestamp_ms=int(NOW_S * 1000),
                    value=orjson.dumps(
                        {
                            "id": f"x1-{number}",
                            "to": f"+90{5_320_000_000 + number}",
                            "text": f"text {number}",
                        }
                    ),
                ),
                NOW_S,
            )
            for number in range(first, first + count)
        ]

    async def take_in(self, requests: Sequence[tuple[SourceRecord, float]]) -> None:
        """The intake, in groups."""
        for start in range(0, len(requests), self._group):
            await self._intake.process_group(requests[start : start + self._group], self.publisher)

    async def apply(self, values: Sequence[bytes]) -> None:
        """The phone stage, in groups."""
        store = PhoneStore(cast("Any", self.table), 0)
        for start in range(0, len(values), self._group):
            records = [
                LogRecord(self._offset + number, value, NOW_S)
                for number, value in enumerate(values[start : start + self._group])
            ]
            self._offset += len(records)
            await self._stage.handle_group(store, records)


def make_outcomes(records: Sequence[OutgoingRecord]) -> list[bytes]:
    """What a sender answers to the dispatches among these records."""
    return [
        events.encode(event)
        for record in records
        if record.topic.startswith("send.")
        for event in make_events(command.decode(record.value or b""))
    ]
