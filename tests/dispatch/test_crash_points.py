"""The phone stage, killed between any two of its steps: the replay always ends with the same result.

Table and publisher are in memory (streams/testing/memory_table.py), so that a kill can come at any step.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
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
from streams.dispatch.record_mapper import RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.errors import Error
from streams.domain.phone import events
from streams.domain.phone.events import (
    Deferred,
    Event,
    Failed,
    Outcome,
    OutcomeUnknown,
    ReceiptSeen,
    RequestInfo,
    RequestReceived,
    RetentionElapsed,
    ScheduleDue,
    Sent,
    SourceRecord,
    TimerFired,
)
from streams.domain.policy import Policy
from streams.domain.sending import command
from streams.testing.memory_table import (
    Disk,
    InMemoryPublisher,
    InMemoryStageMetrics,
    InMemoryTable,
    ProcessKilled,
)

PHONE = "+60123456789"
ACCOUNTS = ("main", "other")
START_S = 1_000_000.0
GAP_S, PAUSE_S = 30.0, 700.0
POLICY = Policy(
    rate_limit_per_minute=3,
    max_queue=4,
    max_retries=1,
    idempotency_window_s=600.0,
    conversation_expiry_s=300.0,
    lookup_cache_s=300.0,
)


@dataclass(frozen=True)
class LogEntry:
    """An event of the log. A pause before it is long: all offsets before it are committed."""

    event: Event
    is_after_pause: bool = False


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
        RecordMapper("status", "dlq", lambda account: f"send.{account}"),
        publisher,
        InMemoryStageMetrics(),
        lambda: now[0],
    )


def new_store(disk: Disk) -> PhoneStore:
    return PhoneStore(cast("Any", InMemoryTable(disk)), 0)


def run(log: list[LogEntry], kills: list[int]) -> Disk:
    """Apply the whole log, killed after these numbers of steps; it is read again from the killed event.

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
                stage.handle(new_store(disk), at, events.encode(log[at].event))
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


def facts(disk: Disk) -> set[tuple[str, ...]]:
    """What was published, repeats apart."""
    published: set[tuple[str, ...]] = set()
    for record in disk.topics:
        if record.topic == "status":
            published.add(("status", orjson.loads(record.value or b"")["event_id"]))
        elif record.topic == "dlq":
            dead_letter_id = str(dict(record.headers)["wa-dlq-id"])
            published.add(("dlq", dead_letter_id, str(record.value)))
        else:
            send = command.decode(record.value or b"")
            published.add((record.topic, send.id, str(send.dispatch_number), str(send.content)))
    return published


ids = st.sampled_from(["a", "b", "c", "d", "e"])
account_names = st.sampled_from(ACCOUNTS)
replays = st.sampled_from([None, None, *(f"out:0:{place}" for place in range(6))])
results = st.sampled_from(
    [
        Sent(at_s=START_S + 100),
        Failed(error=Error("recipient_not_on_whatsapp")),
        Failed(error=Error("server_error")),
        Deferred(error=Error("deadline_exceeded")),
        Deferred(error=Error("attempt_in_doubt"), in_doubt=True),
        OutcomeUnknown(at_s=START_S + 100, error=Error("outcome_unknown")),
    ]
)


@st.composite
def requests(draw: st.DrawFn, place: int) -> RequestReceived:
    info = RequestInfo(
        id=draw(ids),
        send_at_s=draw(st.sampled_from([0.0, 0.0, START_S + 50, START_S + 200])),
        account=draw(st.sampled_from([None, None, *ACCOUNTS])),
        metadata=b'{"n":1}',
        replay_of=draw(replays),
    )
    record = SourceRecord(topic="out", partition=0, offset=place, value=f"v{place}".encode())
    return RequestReceived(
        phone=PHONE, request=info, source_record=record, content=b'{"body":"%d"}' % place
    )


outcomes = st.builds(
    Outcome,
    phone=st.just(PHONE),
    id=ids,
    dispatch_number=st.integers(1, 2),
    account=account_names,
    whatsapp_id=st.just("3EB0"),
    result=results,
)
other_events = st.one_of(
    st.builds(
        ReceiptSeen,
        phone=st.just(PHONE),
        id=ids,
        account=account_names,
        whatsapp_id=st.just("3EB0"),
        receipt=st.sampled_from(["delivered", "read", "played"]),
        at_s=st.just(START_S + 200),
    ),
    st.builds(TimerFired, phone=st.just(PHONE), timer_version=st.integers(0, 12)),
    st.builds(ScheduleDue, phone=st.just(PHONE), id=ids),
    st.builds(RetentionElapsed, phone=st.just(PHONE), ids=st.lists(ids, unique=True).map(tuple)),
)


@st.composite
def logs(draw: st.DrawFn) -> list[LogEntry]:
    """A phone's log: requests, outcomes of dispatches that may be in flight, and everything else."""
    log: list[LogEntry] = []
    for place in range(draw(st.integers(3, 16))):
        kind = draw(st.sampled_from(["request", "outcome", "outcome", "other"]))
        event = draw({"request": requests(place), "outcome": outcomes, "other": other_events}[kind])
        log.append(LogEntry(event, draw(st.sampled_from([False] * 9 + [True]))))
    return log


@given(logs(), st.lists(st.integers(0, 12), max_size=6))
@settings(max_examples=300, deadline=None)
def test_every_crash_point_ends_the_same(log: list[LogEntry], kills: list[int]) -> None:
    """The same rows and facts as in a run without a kill: none is missing, none is added."""
    calm, harmed = run(log, []), run(log, kills)
    assert harmed.rows == calm.rows
    assert facts(harmed) == facts(calm)


@given(logs())
@settings(max_examples=100, deadline=None)
def test_a_calm_run_dispatches_once(log: list[LogEntry]) -> None:
    """Without a kill no dispatch is published twice; the content tells forgotten requests apart."""
    dispatches = Counter(
        (send.id, send.dispatch_number, send.content)
        for record in run(log, []).topics
        if record.topic.startswith("send.")
        for send in [command.decode(record.value or b"")]
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
