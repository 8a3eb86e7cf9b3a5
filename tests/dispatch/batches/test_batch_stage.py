"""The batch stage, killed between any two of its steps: counts, progress and cancels end as without a kill."""

import asyncio
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.contract import batch as contract
from streams.contract.batch import BatchProgress
from streams.dispatch.batches.stage import BatchStage
from streams.dispatch.batches.store import BATCH, BatchStore
from streams.dispatch.conversion import LogRecord
from streams.domain.batch import events as batch_events
from streams.domain.batch import state as stored
from streams.domain.batch.events import (
    BatchCancelRequested,
    BatchEvent,
    BatchOpened,
    BatchRetentionElapsed,
    MembersChanged,
    MemberStatus,
)
from streams.domain.phone import events
from streams.domain.phone.events import CancelRequested, SourceRecord
from streams.testing.memory_table import (
    Disk,
    InMemoryPublisher,
    InMemoryStageMetrics,
    InMemoryTable,
    ProcessKilled,
)
from tests.support.stage_world import make_record_mapper

START_S = 1_000_000.0
KEEP_S = 50.0


def new_store(disk: Disk) -> BatchStore:
    return BatchStore(cast("Any", InMemoryTable(disk)), 0)


def new_stage(disk: Disk) -> BatchStage:
    """A fresh process on what survived."""
    stage = BatchStage(
        InMemoryPublisher(disk),
        make_record_mapper(),
        InMemoryStageMetrics(),
        progress_topic="batches",
        phone_log="phone",
        keep_s=KEEP_S,
        owned_stores=lambda: [new_store(disk)],
        now_s=lambda: START_S + 1000,
    )
    stage.load()
    return stage


def run(log: list[tuple[BatchEvent, float]], kills: list[int], sizes: list[int]) -> Disk:
    """Apply the log in groups of these sizes, then of one event, with a kill after each of these numbers of steps.

    After a kill, the last two events come again as well. At the end a second passes.
    """
    disk = Disk()
    kills, sizes = [*kills, 1_000_000], list(sizes)
    disk.steps_left = kills.pop(0)
    at, stage, now_s = 0, new_stage(disk), START_S
    times_s = [now_s := now_s + pause_s for _, pause_s in log]
    records = [
        LogRecord(offset, batch_events.encode(event), at_s)
        for offset, ((event, _), at_s) in enumerate(zip(log, times_s, strict=True))
    ]
    while at <= len(log):
        group = records[at : at + (sizes.pop(0) if sizes else 1)]
        try:
            if at == len(log):
                asyncio.run(stage.publish_unpublished())
            else:
                asyncio.run(stage.handle(new_store(disk), group))
        except ProcessKilled:
            disk.steps_left = kills.pop(0) if kills else 1_000_000
            stage = new_stage(disk)
            # The commit of the offset may have been lost too. What is read again after the batch was forgotten: below.
            recent = log[max(0, at - 2) : at + len(group)]
            is_forgotten = any(isinstance(event, BatchRetentionElapsed) for event, _ in recent)
            at = at if is_forgotten else max(0, at - 2)
            continue
        at += max(1, len(group))
    return disk


def read_rows(disk: Disk) -> dict[bytes, object]:
    """The rows, but for what a batch's row says about publishing: that depends on how events were grouped."""
    return {
        key: replace(stored.decode_batch(value), is_published=False, effects=())
        if key.startswith(BATCH)
        else value
        for key, value in disk.rows.items()
    }


def last_progress(disk: Disk) -> BatchProgress | None:
    records = [record for record in disk.topics if record.topic == "batches"]
    return contract.decode(records[-1].value) if records and records[-1].value else None


def answers(disk: Disk) -> set[tuple[str, str]]:
    """The cancelled members and the answers to cancels, without repeats."""
    cancels = [events.decode(r.value or b"") for r in disk.topics if r.topic == "phone"]
    members = {(c.phone, c.id or "") for c in cancels if isinstance(c, CancelRequested)}
    return members | {(r.topic, str(r.value)) for r in disk.topics if r.topic == "status"}


def cancel(offset: int) -> BatchCancelRequested:
    record = SourceRecord(topic="out", partition=0, offset=offset, value=b"{}")
    return BatchCancelRequested(batch_id="b", cancel_id=f"c{offset}", source_record=record)


def opened(first: int) -> BatchOpened:
    members = (("+60123456789", ""), None, ("+60123456780", "own"))
    return BatchOpened(batch_id="b", first=first, total=6, members=members)


def change(index: int, status: MemberStatus) -> MembersChanged:
    """One member has this status now."""
    return MembersChanged(batch_id="b", changes=((index, status),))


statuses = st.sampled_from(["accepted", "sent", "delivered", "failed", "cancelled", "duplicate"])
batch_log_events = st.one_of(
    st.sampled_from([0, 3]).map(opened),
    st.builds(change, index=st.integers(0, 5), status=statuses),
    st.builds(
        MembersChanged,
        batch_id=st.just("b"),
        changes=st.lists(st.tuples(st.integers(0, 5), statuses), min_size=1, max_size=4).map(tuple),
    ),
    st.integers(0, 3).map(cancel),
    st.just(BatchRetentionElapsed(batch_id="b")),
)
logs = st.lists(st.tuples(batch_log_events, st.sampled_from([0.1, 0.4, 2.0, 60.0])), max_size=16)


@given(logs, st.lists(st.integers(0, 10), max_size=5), st.lists(st.integers(1, 6), max_size=8))
@settings(max_examples=200, deadline=None)
def test_every_crash_point_ends_the_same(
    log: list[tuple[BatchEvent, float]], kills: list[int], sizes: list[int]
) -> None:
    """Rows, the last progress, the cancelled members and the answers are those of single events without a kill."""
    calm, harmed = run(log, [], []), run(log, kills, sizes)
    assert read_rows(harmed) == read_rows(calm)
    assert last_progress(harmed) == last_progress(calm)
    assert answers(harmed) == answers(calm)


def test_a_status_that_is_read_again_after_its_batch_was_forgotten() -> None:
    """It publishes nothing, and is forgotten with the next sweep."""
    status = change(0, "accepted")
    forget = BatchRetentionElapsed(batch_id="b")
    disk = run([(status, 0.1), (forget, 60.0), (status, 0.1)], [], [])
    assert disk.rows != {}
    assert disk.topics == []
    disk = run([(status, 0.1), (forget, 60.0), (status, 0.1), (forget, 60.0)], [], [])
    assert (disk.rows, disk.topics) == ({}, [])


def test_a_cancel_names_each_forwarded_member() -> None:
    """Under its own id or the one that follows from its index; nobody is answered for them."""
    disk = run([(opened(3), 0.1), (cancel(1), 0.1)], [], [])
    assert answers(disk) == {("+60123456789", "b/3"), ("+60123456780", "own")}


def test_progress_that_is_not_due_is_published_a_second_later() -> None:
    """What changes within a second after the last progress is not lost, also if nothing follows."""
    changes = [(change(i, "sent"), 0.1) for i in range(3)]
    disk = run([(opened(0), 0.1), *changes], [], [])
    progress = last_progress(disk)
    assert progress is not None
    assert (progress.total, progress.sent, progress.finished_at) == (6, 3, None)
    assert len([r for r in disk.topics if r.topic == "batches"]) == 2


def test_what_is_no_event_is_skipped() -> None:
    """It is counted, and the stage goes on."""
    disk = Disk()
    asyncio.run(new_stage(disk).handle(new_store(disk), [LogRecord(0, b"\xff", START_S)]))
    assert disk.rows == {}


def test_changes_that_arrive_together_are_one_commit() -> None:
    """They are counted as if each had been committed alone, and their progress is published once."""
    changes = [(change(i, "sent"), 2.0) for i in range(6)]
    disk = run([(opened(0), 0.1), (opened(3), 0.1), *changes], [], [1, 1, 6])
    assert disk.write_count == 3
    assert [contract.decode(r.value or b"").sent for r in disk.topics if r.topic == "batches"] == [
        0,
        6,
    ]
