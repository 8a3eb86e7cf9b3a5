"""The phone stage, killed between any two of its steps: the replay always ends with the same result.

Table and publisher are in memory (streams/testing/memory_table.py), so that a kill can come at any step.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.accounts import Accounts
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_stage import EventDisposition, PhoneStage
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.batch import events as batch_events
from streams.domain.phone import events
from streams.domain.phone.events import (
    CancelRequested,
    ConsentMoved,
    ConsentRequested,
    ForgetContinued,
    ForgetRequested,
    InboundSeen,
    RequestReceived,
)
from streams.domain.sending import command
from streams.testing.memory_table import (
    Disk,
    InMemoryPublisher,
    InMemoryStageMetrics,
    InMemoryTable,
    ProcessKilled,
)
from tests.dispatch.phone_logs import (
    ACCOUNTS,
    GAP_S,
    OTHER,
    PAUSE_S,
    POLICY,
    START_S,
    LogEntry,
    logs,
)

FORWARDED = (
    RequestReceived
    | CancelRequested
    | InboundSeen
    | ConsentRequested
    | ConsentMoved
    | ForgetRequested
)


def new_stage(disk: Disk, now: list[float]) -> PhoneStage:
    """A fresh process on what survived."""
    publisher = InMemoryPublisher(disk)
    accounts = Accounts(lambda: None)
    for name in ACCOUNTS:
        record = AccountRecord(account=name, state="ready", since=format_rfc3339(0))
        accounts.apply_record(name.encode(), account.encode(record))
    timer_service = TimerService(accounts, publisher, "phone", 8, lambda: now[0])
    gauges = Gauges()
    for row in new_store(disk).scan_phones(b"", 1000)[0]:
        timer_service.update_phone(0, row.phone, row)
        gauges.update(None, row)
    return PhoneStage(
        POLICY,
        accounts,
        timer_service,
        gauges,
        RecordMapper(
            "status",
            "dlq",
            "phone",
            lambda account: f"send.{account}",
            "batch",
            "consent",
            "outbound",
            "forget",
        ),
        publisher,
        InMemoryStageMetrics(),
        lambda append_s: append_s,
    )


def new_store(disk: Disk) -> PhoneStore:
    return PhoneStore(cast("Any", InMemoryTable(disk)), 0)


def run(log: list[LogEntry], kills: list[int]) -> Disk:
    """Apply the whole log with a kill after each of these numbers of steps; it is read again from there.

    No run may meet an illegal transition or lose a payload.
    """
    disk, now, times_s = Disk(), [START_S], list(_times_s(log))
    kills = [*kills, 1_000_000]
    disk.steps_left = kills.pop(0)
    at, stage = 0, new_stage(disk, now)
    while at < len(log):
        now[0] = times_s[at]
        try:
            disposition = asyncio.run(
                stage.handle(new_store(disk), at, events.encode(log[at].event), now[0])
            )
        except ProcessKilled:
            disk.steps_left = kills.pop(0) if kills else 1_000_000
            stage = new_stage(disk, now)
            if not log[at].is_after_pause:
                at = max(0, at - 1)  # the commit of the offset may have been lost too
            continue
        assert disposition not in (EventDisposition.ILLEGAL, EventDisposition.FAILED)
        assert "lost" not in cast("InMemoryStageMetrics", stage.metrics).missing_payloads
        at += 1
    return disk


def _times_s(log: list[LogEntry]) -> Iterator[float]:
    now_s = START_S
    for entry in log:
        now_s += PAUSE_S if entry.is_after_pause else GAP_S
        yield now_s


def read_published(disk: Disk) -> set[tuple[str, ...]]:
    """What was published, without repeats."""
    published: set[tuple[str, ...]] = set()
    for record in disk.topics:
        if record.topic == "status":
            published.add(("status", orjson.loads(record.value or b"")["event_id"]))
        elif record.topic == "dlq":
            dead_letter_id = str(dict(record.headers)["wa-dlq-id"])
            published.add(("dlq", dead_letter_id, str(record.value)))
        elif record.topic == "batch":
            published.add(("batch", str(batch_events.decode(record.value or b""))))
        elif record.topic in ("consent", "outbound", "forget"):
            published.add((record.topic, str(record.key), str(record.value)))
        elif record.topic == "phone":
            event = events.decode(record.value or b"")
            assert isinstance(event, FORWARDED | ForgetContinued)
            assert record.key == event.phone.encode()
            assert isinstance(event, ForgetContinued) or event.phone == OTHER
            published.add(("forwarded", str(event)))
        else:
            send = command.decode(record.value or b"", 0.0)
            published.add((record.topic, send.id, str(send.dispatch_number), str(send.content)))
    return published


@given(logs(), st.lists(st.integers(0, 12), max_size=6))
@settings(max_examples=300, deadline=None)
def test_every_crash_point_ends_the_same(log: list[LogEntry], kills: list[int]) -> None:
    """Rows and published records are those of a run without a kill: none is missing, none is added."""
    calm, harmed = run(log, []), run(log, kills)
    assert harmed.rows == calm.rows
    assert read_published(harmed) == read_published(calm)


@given(logs())
@settings(max_examples=100, deadline=None)
def test_a_calm_run_dispatches_once(log: list[LogEntry]) -> None:
    """Without a kill no dispatch is published twice; contents distinguish requests of one forgotten id."""
    dispatches = Counter(
        (send.id, send.dispatch_number, send.content)
        for record in run(log, []).topics
        if record.topic.startswith("send.")
        for send in [command.decode(record.value or b"", 0.0)]
    )
    assert all(count == 1 for count in dispatches.values())


@given(logs())
@settings(max_examples=100, deadline=None)
def test_completed_messages_leave_no_payload(log: list[LogEntry]) -> None:
    """The content of a request is removed when it is complete: only open messages have a payload."""
    disk = run(log, [])
    messages, _ = new_store(disk).scan_messages(b"", 1000)
    kept = {key[1:].partition(b"\0")[2].decode() for key in disk.rows if key.startswith(b"d")}
    assert kept == {message.id for _, message in messages if not message.completed_at_s}
