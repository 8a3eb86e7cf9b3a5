"""The offset tracker of one partition."""

from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.consumer.offsets import OffsetTracker


def _delivered(*offsets: int) -> OffsetTracker:
    tracker = OffsetTracker(offsets[0])
    for offset in offsets:
        tracker.deliver(offset, 10)
    return tracker


def test_commits_up_to_the_oldest_unacknowledged_record():
    """The order of acknowledgements does not matter."""
    tracker = _delivered(5, 6, 7, 8)
    tracker.acknowledge({6, 8})
    assert tracker.committable_offset(None) == 5
    tracker.acknowledge({5})
    assert tracker.committable_offset(None) == 7
    tracker.acknowledge({7})
    assert tracker.committable_offset(None) == 9


def test_an_empty_range_at_the_end_is_committed_past_only_when_all_is_acknowledged():
    """Otherwise it would commit past a record in progress."""
    tracker = _delivered(5)
    assert tracker.committable_offset((6, 8)) == 5
    tracker.acknowledge({5})
    assert tracker.committable_offset((6, 8)) == 8
    assert tracker.next_offset == 8


def test_an_empty_range_elsewhere_changes_nothing():
    """Only a range that begins at or before the next offset, and ends after it, counts."""
    tracker = _delivered(5)
    tracker.acknowledge({5})
    assert tracker.committable_offset((2, 6)) == 6
    assert tracker.committable_offset((7, 9)) == 6


def test_a_record_is_contiguous_when_nothing_is_missing_before_it():
    """What is missing between the next offset and the record is a gap."""
    tracker = OffsetTracker(5)
    assert tracker.is_contiguous(gap_free_from=5)
    assert tracker.is_contiguous(
        gap_free_from=3
    )  # the range began before, and the next offset is inside it
    assert not tracker.is_contiguous(gap_free_from=6)


def test_a_delivered_record_is_recognised():
    """The offset after it is not yet delivered."""
    tracker = _delivered(5)
    assert tracker.already_delivered(5)
    assert not tracker.already_delivered(6)


def test_bytes_count_until_no_older_record_is_unacknowledged():
    """An acknowledged record behind an unacknowledged one still counts."""
    tracker = _delivered(5, 6)
    tracker.acknowledge({6})
    assert tracker.unacked_bytes == 20
    tracker.acknowledge({5})
    assert tracker.unacked_bytes == 0


def test_entered_acknowledgements_are_removed_from_the_set():
    """The caller's set is empty afterwards."""
    acked = {5}
    tracker = _delivered(5)
    tracker.acknowledge(acked)
    assert acked == set()


@given(st.data())
def test_no_unacknowledged_record_is_ever_committed_past(data: st.DataObject):
    """Whatever is acknowledged in whatever order, no unacknowledged record is before the commit."""
    tracker, opened = OffsetTracker(0), set()
    for _ in range(data.draw(st.integers(1, 30))):
        if data.draw(st.booleans()):
            offset = tracker.next_offset + data.draw(st.integers(0, 2))
            tracker.deliver(offset, 1)
            opened.add(offset)
        elif opened:
            done = data.draw(st.sampled_from(sorted(opened)))
            opened.discard(done)
            tracker.acknowledge({done})
        assert all(offset >= tracker.committable_offset(None) for offset in opened)
    tracker.acknowledge(set(opened))
    assert tracker.committable_offset(None) == tracker.next_offset
    assert tracker.unacked_bytes == 0
