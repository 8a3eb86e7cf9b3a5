"""A batch counts each member once, whatever is repeated, and in whatever order its records come."""

import itertools
from dataclasses import dataclass, field
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.batch.events import (
    BatchCancelRequested,
    BatchEvent,
    BatchOpened,
    BatchRetentionElapsed,
    MembersChanged,
    MemberStatus,
)
from streams.domain.batch.state import (
    CHUNK_SIZE,
    DELIVERY_STATUSES,
    Batch,
    BatchEffect,
    CancelMembers,
    Members,
    PublishProgress,
    RejectCancel,
    decode_batch,
    encode_batch,
)
from streams.domain.batch.step import step
from streams.domain.phone.events import SourceRecord

KEEP_S = 1000.0
ENDED = set(get_args(MemberStatus)) - {"accepted"}


@dataclass
class BatchWorld:
    """One batch, with its rows in memory."""

    row: Batch | None = None
    chunks: dict[int, bytes] = field(default_factory=dict)
    members: dict[int, Members] = field(default_factory=dict)
    now_s: float = 1_000_000.0
    offset: int = 0
    published: list[tuple[float, Batch]] = field(default_factory=list)

    def get_chunk(self, batch_id: str, number: int) -> bytes | None:
        assert batch_id == "b"
        return self.chunks.get(number)

    def apply(self, event: BatchEvent) -> tuple[BatchEffect, ...]:
        self.offset += 1
        changes = step(
            self.row, event, offset=self.offset, now_s=self.now_s, rows=self, keep_s=KEEP_S
        )
        if changes is None:
            return ()
        if changes.is_removed:
            self.row = None
            return ()
        self.row = decode_batch(encode_batch(changes.row))
        self.chunks |= changes.chunks
        self.members |= changes.members
        if PublishProgress() in self.row.effects:
            self.published.append((self.now_s, self.row))
        return self.row.effects

    def open(self, first: int, count: int, total: int) -> tuple[BatchEffect, ...]:
        members = tuple((f"+6012345{index:04}", "") for index in range(first, first + count))
        return self.apply(BatchOpened(batch_id="b", first=first, total=total, members=members))

    def change(self, index: int, status: MemberStatus) -> tuple[BatchEffect, ...]:
        return self.apply(MembersChanged(batch_id="b", changes=((index, status),)))

    def cancel(self, offset: int = 5) -> tuple[BatchEffect, ...]:
        record = SourceRecord(topic="wa.outbound", partition=0, offset=offset)
        event = BatchCancelRequested(batch_id="b", cancel_id="c", source_record=record)
        return self.apply(event)


def naive_status(history: list[MemberStatus]) -> MemberStatus:
    """The furthest that its message came, else what was said last; a duplicate never replaces anything."""
    reached: list[MemberStatus] = [s for s in DELIVERY_STATUSES if s in history]
    if reached:
        return reached[-1]
    others: list[MemberStatus] = [status for status in history if status != "duplicate"]
    return others[-1] if others else "duplicate"


statuses = st.sampled_from(get_args(MemberStatus))
# Members of three chunks.
indexes = st.sampled_from([0, 1, 2, CHUNK_SIZE - 1, CHUNK_SIZE, 2 * CHUNK_SIZE + 1])
TOTAL = 2 * CHUNK_SIZE + 2


@given(st.lists(st.lists(st.tuples(indexes, statuses), min_size=1, max_size=8), max_size=8))
@settings(max_examples=100, deadline=None)
def test_joined_changes_are_those_of_single_ones(
    groups: list[list[tuple[int, MemberStatus]]],
) -> None:
    """However many changes share a record, each member has the same status in the end, and the counts are the same."""
    joined, single = BatchWorld(), BatchWorld()
    for world in (joined, single):
        world.open(0, 1000, TOTAL)
    for group in groups:
        joined.apply(MembersChanged(batch_id="b", changes=tuple(group)))
        for index, status in group:
            single.change(index, status)
    assert joined.chunks == single.chunks
    assert joined.row is not None and single.row is not None
    assert joined.row.counts == single.row.counts
    assert joined.row.pending_count == single.row.pending_count


@given(
    st.lists(st.tuples(indexes, statuses, st.floats(0, 2), st.integers(1, 3)), max_size=60),
    st.integers(0, 60),
)
@settings(max_examples=200, deadline=None)
def test_counts_are_those_of_a_naive_model(
    changes: list[tuple[int, MemberStatus, float, int]], opened_at: int
) -> None:
    """Repeats count once; `opened` may come before, between or after the changes; progress keeps its distance."""
    world, history = BatchWorld(), dict[int, list[MemberStatus]]()
    for place, (index, status, pause_s, repeats) in enumerate(changes):
        if place == opened_at:
            world.open(0, 1000, TOTAL)
        world.now_s += pause_s
        for _ in range(repeats):
            world.change(index, status)
            history.setdefault(index, []).append(status)
    world.open(0, 1000, TOTAL)
    assert world.row is not None
    expected = [naive_status(past) for past in history.values()]
    counts = {status: world.row.count(status) for status in get_args(MemberStatus)}
    assert counts == {status: expected.count(status) for status in get_args(MemberStatus)}
    ended_count = sum(status in ENDED for status in expected)
    assert world.row.pending_count == TOTAL - ended_count
    times_s = [at_s for at_s, _ in world.published]
    assert all(late - early >= 1 for early, late in itertools.pairwise(times_s))


@given(st.lists(st.tuples(st.integers(0, 3), statuses), max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_batch_is_finished_exactly_when_every_member_is(
    changes: list[tuple[int, MemberStatus]],
) -> None:
    """The last progress of a finished batch is published at once and has all counts."""
    world, history = BatchWorld(), dict[int, list[MemberStatus]]()
    world.open(0, 4, 4)
    for index, status in changes:
        world.now_s += 0.1
        effects = world.change(index, status)
        history.setdefault(index, []).append(status)
        is_finished = len(history) == 4 and all(
            naive_status(past) in ENDED for past in history.values()
        )
        assert world.row is not None
        assert bool(world.row.finished_at_s) == is_finished
        if world.row.finished_at_s == world.now_s:
            assert PublishProgress() in effects


def test_several_records_make_one_batch() -> None:
    """It is finished when the members of all of them are."""
    world = BatchWorld()
    for first in (0, 2):
        world.open(first, 2, 4)
        world.change(first, "sent")
        world.change(first + 1, "rejected")
        assert world.row is not None
        assert bool(world.row.finished_at_s) == (first == 2)
    assert sorted(world.members) == [0, 2]


def test_a_duplicate_is_counted_once() -> None:
    """Two members with one id and one recipient are one message."""
    world = BatchWorld()
    world.open(0, 3, 3)
    world.change(2, "duplicate")
    world.change(0, "sent")
    world.change(1, "sent")
    assert world.row is not None
    assert (world.row.distinct_total, bool(world.row.finished_at_s)) == (2, True)


def test_a_replay_opens_the_batch_again() -> None:
    """Its dead letter is replayed: the member is pending, and then sent."""
    world = BatchWorld()
    world.open(0, 1, 1)
    lives: list[tuple[MemberStatus, bool]] = [("failed", True), ("accepted", False), ("sent", True)]
    for status, is_finished in lives:
        world.change(0, status)
        assert world.row is not None
        assert bool(world.row.finished_at_s) == is_finished


def test_cancelling_names_all_records_and_those_that_follow() -> None:
    """Also members that are forwarded after the cancel: the whole batch is withdrawn."""
    world = BatchWorld()
    world.open(0, 2, 6)
    world.open(2, 2, 6)
    assert CancelMembers(firsts=(0, 2)) in world.cancel()
    assert CancelMembers(firsts=(4,)) in world.open(4, 2, 6)
    assert world.cancel() == ()  # read twice


@pytest.mark.parametrize(
    ("status", "code"), [(None, "unknown_request"), ("sent", "too_late_to_cancel")]
)
def test_a_batch_that_cannot_be_cancelled(status: MemberStatus | None, code: str) -> None:
    """There is no such batch, or all of it is over."""
    world = BatchWorld()
    if status is not None:
        world.open(0, 1, 1)
        world.change(0, status)
    effects = world.cancel()
    assert [e.code for e in effects if isinstance(e, RejectCancel)] == [code]


def test_a_batch_is_forgotten_after_its_time() -> None:
    """Not while a member is pending, and not before."""
    world = BatchWorld()
    world.open(0, 1, 1)
    elapsed = BatchRetentionElapsed(batch_id="b")
    world.now_s += KEEP_S
    world.apply(elapsed)
    assert world.row is not None
    world.change(0, "sent")
    world.now_s += KEEP_S - 1
    world.apply(elapsed)
    assert world.row is not None
    world.now_s += 1
    world.apply(elapsed)
    assert world.row is None
