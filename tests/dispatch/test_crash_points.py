"""The phone stage killed at every single write: whatever was lost with it, the replay ends the same.

Table and outlet are of memory (streams/testing/memory_table.py), so that a kill can be put between any two acts.
"""

import asyncio
from collections import Counter
from typing import Any, cast

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.accounts import Accounts
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_stage import PhoneStage
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
    RequestInfo,
    RequestReceived,
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
READY = AccountRecord(account="main", state="ready", since=format_rfc3339(0))


def stage(disk: Disk, now: list[float]) -> PhoneStage:
    """A fresh process on what survived."""
    outlet = InMemoryPublisher(disk)
    accounts = Accounts(lambda: None)
    accounts.apply_record(b"main", account.encode(READY))
    clock = TimerService(accounts, outlet, "phone", 8, lambda: now[0])
    rows = PhoneStore(cast("Any", InMemoryTable(disk)), 0)
    tally = Gauges()
    for row in rows.scan_phones(b"", 1000)[0]:
        clock.update_phone(0, row.phone, row)
        tally.update(None, row)
    answers = RecordMapper("status", "dlq", lambda account: f"lane.{account}")
    rules = Policy(rate_limit_per_minute=3, max_queue=4, max_retries=1)
    return PhoneStage(
        rules, accounts, clock, tally, answers, outlet, InMemoryStageMetrics(), lambda: now[0]
    )


def run(log: list[Event], kills: list[int]) -> Disk:
    """Fold the whole log, killed after these numbers of acts; the log is read from the killed event on."""
    disk, now = Disk(), [1_000_000.0]
    kills = [*kills, 1_000_000]
    disk.steps_left = kills.pop(0)
    at, running = 0, stage(disk, now)
    while at < len(log):
        now[0] = 1_000_000.0 + at * 30
        rows = PhoneStore(cast("Any", InMemoryTable(disk)), 0)
        try:
            asyncio.run(running.handle(rows, at, events.encode(log[at])))
        except ProcessKilled:
            disk.steps_left = kills.pop(0) if kills else 1_000_000
            running = stage(disk, now)
            at = max(0, at - 1)  # the commit of the offset may have been lost too
            continue
        at += 1
    return disk


def facts(disk: Disk) -> set[tuple[str, ...]]:
    """What the world was told, repeats apart."""
    told: set[tuple[str, ...]] = set()
    for record in disk.topics:
        if record.topic == "status":
            told.add(("status", orjson.loads(record.value or b"")["event_id"]))
        elif record.topic == "dlq":
            told.add(("dlq", str(dict(record.headers)["wa-dlq-id"]), str(record.value)))
        else:
            send = command.decode(record.value or b"")
            told.add(("send", send.id, str(send.dispatch_number), str(send.content)))
    return told


ids = st.sampled_from(["a", "b", "c", "d", "e"])
results = st.sampled_from(
    [
        Sent(at_s=1_000_100.0),
        Failed(error=Error("recipient_not_on_whatsapp")),
        Failed(error=Error("server_error")),
        Deferred(error=Error("deadline_exceeded")),
        OutcomeUnknown(at_s=1_000_100.0, error=Error("outcome_unknown")),
    ]
)


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """A phone's log: requests, and what came of releases that may or may not be in flight."""
    log: list[Event] = []
    for place in range(draw(st.integers(3, 14))):
        if draw(st.integers(0, 2)) == 0:
            late = draw(st.sampled_from([0.0, 0.0, 1_000_050.0, 1_000_200.0]))
            order = RequestInfo(
                id=draw(ids), send_at_s=late, metadata=b'{"n":1}', replay_of=draw(replays)
            )
            record = SourceRecord(
                topic="out", partition=0, offset=place, value=f"v{place}".encode()
            )
            log.append(
                RequestReceived(phone=PHONE, request=order, source_record=record, content=b"{}")
            )
        elif draw(st.integers(0, 4)) == 0:
            log.append(TimerFired(phone=PHONE, timer_version=draw(st.integers(0, 12))))
        else:
            log.append(
                Outcome(
                    phone=PHONE,
                    id=draw(ids),
                    dispatch_number=draw(st.integers(1, 2)),
                    account="main",
                    whatsapp_id="3EB0",
                    result=draw(results),
                )
            )
    return log


replays = st.sampled_from([None, None, *(f"out:0:{place}" for place in range(6))])


@given(logs(), st.lists(st.integers(0, 12), max_size=6))
@settings(max_examples=300, deadline=None)
def test_every_crash_point_ends_the_same(log: list[Event], kills: list[int]) -> None:
    """The same rows and the same facts as in a run without a kill: none lost, none but those."""
    calm, harmed = run(log, []), run(log, kills)
    assert harmed.rows == calm.rows
    assert facts(harmed) == facts(calm)


@given(logs())
@settings(max_examples=100, deadline=None)
def test_a_calm_run_says_everything_once(log: list[Event]) -> None:
    """Without a kill nothing but the answer to a repeat is said twice, and no release ever."""
    releases = Counter(
        (send.id, send.dispatch_number)
        for record in run(log, []).topics
        if record.topic.startswith("lane.")
        for send in [command.decode(record.value or b"")]
    )
    assert all(count == 1 for count in releases.values())


@given(logs())
@settings(max_examples=100, deadline=None)
def test_final_messages_leave_no_payload(log: list[Event]) -> None:
    """What was asked for is dropped with its end: only open messages hold a payload."""
    disk = run(log, [])
    rows = PhoneStore(cast("Any", InMemoryTable(disk)), 0)
    found, _ = rows.scan_messages(b"", 1000)
    kept = {key[1:].partition(b"\0")[2].decode() for key in disk.rows if key.startswith(b"d")}
    assert kept == {message.id for _, message in found if not message.completed_at_s}
