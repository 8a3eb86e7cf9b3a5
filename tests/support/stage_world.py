"""A phone stage on a disk in memory, for tests that apply one event after the other."""

import asyncio
from typing import Any, cast

from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.accounts import Accounts
from streams.dispatch.commits.decision import EventDisposition
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_stage import PhoneStage
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.errors import Error
from streams.domain.phone import events
from streams.domain.phone.events import (
    Event,
    Failed,
    RequestInfo,
    RequestReceived,
    SourceRecord,
)
from streams.domain.policy import Policy
from streams.testing.memory_table import (
    Disk,
    InMemoryPublisher,
    InMemoryStageMetrics,
    InMemoryTable,
)
from streams.testing.phone_world import make_outcome

PHONE = "+60123456789"
NOW_S = 1_000_000.0
READY = AccountRecord(account="main", state="ready", since=format_rfc3339(0))


def make_record_mapper() -> RecordMapper:
    """One that knows the topics by short names."""
    return RecordMapper(
        "status",
        "dlq",
        "phone",
        lambda account: f"send.{account}",
        "batch",
        "consent",
        "outbound",
        "forget",
    )


class StageWorld:
    """One phone stage on a disk in memory."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.metrics = InMemoryStageMetrics()
        self.store = PhoneStore(cast("Any", InMemoryTable(self.disk)), 0)
        self.publisher = InMemoryPublisher(self.disk)
        accounts = Accounts(lambda: None)
        accounts.apply_record(b"main", account.encode(READY))
        self.stage = PhoneStage(
            Policy(),
            accounts,
            TimerService(accounts, self.publisher, "phone", 8, lambda: NOW_S),
            Gauges(),
            make_record_mapper(),
            self.publisher,
            self.metrics,
            lambda append_s: append_s,
        )

    def handle(self, offset: int, event: Event, append_s: float = NOW_S) -> EventDisposition:
        return asyncio.run(self.stage.handle(self.store, offset, events.encode(event), append_s))

    def take_topics(self) -> list[str]:
        """The topics of the records that were published since the last call."""
        topics = [record.topic for record in self.disk.topics]
        self.disk.topics.clear()
        return topics

    def lose_payloads(self) -> None:
        for key in [key for key in self.disk.rows if key.startswith(b"d")]:
            del self.disk.rows[key]


def request(request_id: str, offset: int = 0) -> RequestReceived:
    record = SourceRecord(topic="wa.outbound", partition=0, offset=offset, value=b"{}")
    return RequestReceived(
        phone=PHONE, request=RequestInfo(id=request_id), source_record=record, content=b"{}"
    )


FAILED = make_outcome(Failed(error=Error("media_rejected")))
