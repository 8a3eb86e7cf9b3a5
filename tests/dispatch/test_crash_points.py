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
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.accounts.routing import Capacity
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
from streams.domain.phone.state import State
from streams.domain.policy import Policy
from streams.domain.sending import command
from streams.testing.memory_table import (
    Disk,
    InMemoryPublisher,
    InMemoryStageMetrics,
    InMemoryTable,
    ProcessKilled,
)
from streams.testing.phone_world import PHONE, PhoneWorld

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
        else:
            send = command.decode(record.value or b"", 0.0)
            published.add((record.topic, send.id, str(send.dispatch_number), str(send.content)))
    return published


ids = st.sampled_from(["a", "b", "c", "d", "e"])
account_names = st.sampled_from(ACCOUNTS)
results = st.sampled_from(
    [
        Sent(at_s=START_S + 100),
        Sent(at_s=START_S + 100),
        Failed(error=Error("recipient_not_on_whatsapp")),
        Failed(error=Error("server_error")),
        Deferred(error=Error("deadline_exceeded")),
        Deferred(error=Error("attempt_in_doubt"), in_doubt=True),
        OutcomeUnknown(at_s=START_S + 100, error=Error("outcome_unknown")),
    ]
)


class LogWriter:
    """Draws the next event of a log: mostly one that fits the phone, as a model run shows it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._model = PhoneWorld(
            policy=POLICY,
            accounts={name: Capacity(is_ready=True, free_slots=8) for name in ACCOUNTS},
            now_s=START_S,
        )

    def write(self, place: int) -> LogEntry:
        is_after_pause = self._draw(st.sampled_from([False] * 5 + [True]))
        is_in_flight = self._model.row is not None and self._model.row.in_flight is not None
        likely = self._outcome if is_in_flight else self._request
        kinds = [likely, likely, self._request, self._outcome, self._receipt, self._other]
        self._model.now_s += PAUSE_S if is_after_pause else GAP_S
        self._model.offset = place - 1
        event = self._draw(st.sampled_from(kinds))(place)
        self._model.apply(event)
        return LogEntry(event, is_after_pause)

    def _request(self, place: int) -> Event:
        delay_s = self._draw(st.sampled_from([0.0, 0.0, 20.0, 50.0]))
        dead_letters = [m.dead_letter_id for m in self._model.messages.values() if m.dead_letter_id]
        info = RequestInfo(
            id=self._draw(ids),
            send_at_s=self._model.now_s + delay_s if delay_s else 0.0,
            account=self._draw(st.sampled_from([None, None, *ACCOUNTS])),
            metadata=b'{"n":1}',
            replay_of=self._draw(st.sampled_from([None, None, *dead_letters])),
        )
        record = SourceRecord(topic="out", partition=0, offset=place, value=b"v%d" % place)
        content = b'{"body":"%d"}' % place
        return RequestReceived(phone=PHONE, request=info, source_record=record, content=content)

    def _outcome(self, _: int) -> Event:
        in_flight = self._model.row and self._model.row.in_flight
        is_fitting = in_flight is not None and self._draw(
            st.sampled_from([True, True, True, False])
        )
        return Outcome(
            phone=PHONE,
            id=in_flight.id if in_flight and is_fitting else self._draw(ids),
            dispatch_number=in_flight.dispatch_number
            if in_flight and is_fitting
            else self._draw(st.integers(1, 2)),
            account=in_flight.account if in_flight and is_fitting else self._draw(account_names),
            whatsapp_id="3EB0",
            result=self._draw(results),
        )

    def _receipt(self, _: int) -> Event:
        return ReceiptSeen(
            phone=PHONE,
            id=self._draw(ids),
            account=self._draw(account_names),
            whatsapp_id="3EB0",
            receipt=self._draw(st.sampled_from(["sent", "delivered", "read"])),
            at_s=self._model.now_s,
        )

    def _other(self, _: int) -> Event:
        row = self._model.row
        timer_version = row.timer_version if row else 0
        scheduled = [m.id for m in self._model.messages.values() if m.state is State.SCHEDULED]
        return self._draw(
            st.one_of(
                st.builds(
                    TimerFired,
                    phone=st.just(PHONE),
                    timer_version=st.sampled_from([timer_version, timer_version, 1]),
                ),
                st.builds(
                    ScheduleDue, phone=st.just(PHONE), id=st.sampled_from(scheduled or ["a"])
                ),
                st.builds(
                    RetentionElapsed,
                    phone=st.just(PHONE),
                    ids=st.sampled_from([tuple(self._model.messages), ("a", "b")]),
                ),
            )
        )


@st.composite
def logs(draw: st.DrawFn) -> list[LogEntry]:
    """A phone's log, with events of every type."""
    writer = LogWriter(draw)
    return [writer.write(place) for place in range(draw(st.integers(3, 18)))]


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
