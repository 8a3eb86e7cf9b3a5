"""The phone stage, killed between any two of its steps: the replay always ends with the same result.

Events come in groups of any size, and in others after each kill. Table and publisher are in memory
(streams/testing/memory_table.py), so that a kill can come at any step.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple, cast

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.accounts import Accounts
from streams.dispatch.commits.decision import EventDisposition
from streams.dispatch.conversion import LogRecord
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_stage import PhoneStage
from streams.dispatch.phone_store import PhoneStore
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
from streams.domain.phone.state import decode_phone
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
    OTHER,
    POLICY,
    START_S,
    LogEntry,
    append_times_s,
    logs,
)
from tests.support.stage_world import make_record_mapper

FORWARDED = (
    RequestReceived
    | CancelRequested
    | InboundSeen
    | ConsentRequested
    | ConsentMoved
    | ForgetRequested
)


class Kill(NamedTuple):
    """The process ends after this many steps, and so many of the last offsets were not committed."""

    after_steps: int
    lost_commits: int


kill_lists = st.lists(st.builds(Kill, st.integers(0, 30), st.integers(0, 4)), max_size=6)
group_sizes = st.lists(st.integers(1, 6), min_size=1, max_size=4)


def new_stage(disk: Disk, now: list[float], max_in_flight: int = 8) -> PhoneStage:
    """A fresh process on what survived."""
    publisher = InMemoryPublisher(disk)
    accounts = Accounts(lambda: None)
    for name in ACCOUNTS:
        record = AccountRecord(account=name, state="ready", since=format_rfc3339(0))
        accounts.apply_record(name.encode(), account.encode(record))
    timer_service = TimerService(accounts, publisher, "phone", max_in_flight, lambda: now[0])
    gauges = Gauges()
    for row in new_store(disk).scan_phones(b"", 1000)[0]:
        timer_service.update_phone(0, row.phone, row)
        gauges.load_waiting(row)
    return PhoneStage(
        POLICY,
        accounts,
        timer_service,
        gauges,
        make_record_mapper(),
        publisher,
        InMemoryStageMetrics(),
        lambda append_s: append_s,
    )


def new_store(disk: Disk) -> PhoneStore:
    return PhoneStore(cast("Any", InMemoryTable(disk)), 0)


class Run:
    """A log that is applied in groups, with a kill after each of some numbers of steps."""

    def __init__(self, log: list[LogEntry], kills: Sequence[Kill], sizes: Sequence[int]) -> None:
        self.disk = Disk()
        self._log = log
        self._times_s = append_times_s(log)
        self._kills = [*kills, Kill(1_000_000, 0)]
        self._sizes = cycle(sizes)
        self._now = [START_S]

    def apply(self, max_in_flight: int = 8) -> Disk:
        """Apply the whole log. No run may meet an illegal transition or lose a payload."""
        position = 0
        self.disk.steps_left = self._kills[0].after_steps
        stage = new_stage(self.disk, self._now, max_in_flight)
        with asyncio.Runner() as runner:
            while position < len(self._log):
                group = self._take_group(position)
                self._now[0] = group[-1].append_s
                try:
                    dispositions = runner.run(stage.handle_group(new_store(self.disk), group))
                except ProcessKilled:
                    position = self._restart(position)
                    stage = new_stage(self.disk, self._now, max_in_flight)
                    continue
                assert not {EventDisposition.ILLEGAL, EventDisposition.FAILED} & {*dispositions}
                assert "lost" not in cast("InMemoryStageMetrics", stage.metrics).missing_payloads
                position += len(group)
        return self.disk

    def _take_group(self, position: int) -> list[LogRecord]:
        """What has arrived: a pause ends it."""
        group: list[LogRecord] = []
        for at in range(position, min(position + next(self._sizes), len(self._log))):
            entry = self._log[at]
            if group and entry.is_after_pause:
                break
            group.append(LogRecord(at, events.encode(entry.event), self._times_s[at]))
        return group

    def _restart(self, position: int) -> int:
        """Where the log is read again: the commits of some offsets may have been lost too."""
        kill = self._kills.pop(0)
        self.disk.steps_left = self._kills[0].after_steps
        while kill.lost_commits and position > 0 and not self._log[position].is_after_pause:
            kill, position = kill._replace(lost_commits=kill.lost_commits - 1), position - 1
        return position


def run(log: list[LogEntry], kills: Sequence[Kill] = (), sizes: Sequence[int] = (1,)) -> Disk:
    return Run(log, kills, sizes).apply()


def read_published(disk: Disk) -> set[tuple[str, ...]]:
    """What was published, without repeats."""
    published: set[tuple[str, ...]] = set()
    for record in disk.topics:
        if record.topic == "status":
            published.add(
                ("status", str(record.key), orjson.loads(record.value or b"")["event_id"])
            )
        elif record.topic == "dlq":
            dead_letter_id = str(dict(record.headers)["wa-dlq-id"])
            published.add(("dlq", str(record.key), dead_letter_id, str(record.value)))
        elif record.topic == "batch":
            published |= _read_member_changes(batch_events.decode(record.value or b""))
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
            published.add(
                (record.topic, send.phone, send.id, str(send.dispatch_number), str(send.content))
            )
    return published


def _read_member_changes(event: batch_events.BatchEvent) -> set[tuple[str, ...]]:
    """One by one: which of them share a record depends on the groups."""
    assert isinstance(event, batch_events.MembersChanged)
    return {("batch", event.batch_id, str(index), status) for index, status in event.changes}


@given(logs(), kill_lists, group_sizes)
@settings(max_examples=300, deadline=None)
def test_every_crash_point_ends_the_same(
    log: list[LogEntry], kills: list[Kill], sizes: list[int]
) -> None:
    """Rows and published records are those of a run without kills or groups: none is missing, none is added."""
    calm, harmed = run(log), run(log, kills, sizes)
    assert harmed.rows == calm.rows
    assert read_published(harmed) == read_published(calm)


@given(logs(), group_sizes)
@settings(max_examples=100, deadline=None)
def test_a_calm_run_dispatches_once(log: list[LogEntry], sizes: list[int]) -> None:
    """Without a kill no dispatch is published twice; contents distinguish requests of one forgotten id."""
    dispatches = Counter(
        (send.phone, send.id, send.dispatch_number, send.content)
        for record in run(log, sizes=sizes).topics
        if record.topic.startswith("send.")
        for send in [command.decode(record.value or b"", 0.0)]
    )
    assert all(count == 1 for count in dispatches.values())


@given(logs(), kill_lists, group_sizes)
@settings(max_examples=100, deadline=None)
def test_a_group_takes_no_place_twice(
    log: list[LogEntry], kills: list[Kill], sizes: list[int]
) -> None:
    """With one place at each account, no two recipients have a message in flight there, after any commit."""
    disk = Run(log, kills, sizes)
    check, rows = CheckedRows(), disk.disk
    rows.rows = check
    disk.apply(max_in_flight=1)


class CheckedRows(dict[bytes, bytes]):
    """The rows of a table, in which each account has one place."""

    def __setitem__(self, key: bytes, value: bytes) -> None:
        super().__setitem__(key, value)
        flights = [decode_phone(row).in_flight for k, row in self.items() if k[:1] == b"p"]
        accounts = [flight.account for flight in flights if flight]
        assert len(accounts) == len({*accounts})


@given(logs(), group_sizes)
@settings(max_examples=100, deadline=None)
def test_completed_messages_leave_no_payload(log: list[LogEntry], sizes: list[int]) -> None:
    """The content of a request is removed when it is complete: only open messages have a payload."""
    disk = run(log, sizes=sizes)
    messages, _ = new_store(disk).scan_messages(b"", 1000)
    kept = {key for key in disk.rows if key.startswith(b"d")}
    assert kept == {
        b"d%s\0%s" % (phone.encode(), message.id.encode())
        for phone, message in messages
        if not message.completed_at_s
    }
