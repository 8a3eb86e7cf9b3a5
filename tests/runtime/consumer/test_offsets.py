"""The books of one partition."""

from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.consumer.offsets import OffsetTracker


def _handed_out(*offsets: int) -> OffsetTracker:
    turn = OffsetTracker(offsets[0])
    for offset in offsets:
        turn.deliver(offset, 10)
    return turn


def test_commits_up_to_the_oldest_unacknowledged_record():
    """The order of acknowledgements does not matter."""
    turn = _handed_out(5, 6, 7, 8)
    turn.acknowledge({6, 8})
    assert turn.committable_offset(None) == 5
    turn.acknowledge({5})
    assert turn.committable_offset(None) == 7
    turn.acknowledge({7})
    assert turn.committable_offset(None) == 9


def test_an_empty_range_at_the_end_is_committed_past_only_when_all_is_acknowledged():
    """Otherwise it would commit past a record in progress."""
    turn = _handed_out(5)
    assert turn.committable_offset((6, 8)) == 5
    turn.acknowledge({5})
    assert turn.committable_offset((6, 8)) == 8
    assert turn.next_offset == 8


def test_an_empty_range_elsewhere_changes_nothing():
    """Only a range that begins at or before the next offset, and ends after it, counts."""
    turn = _handed_out(5)
    turn.acknowledge({5})
    assert turn.committable_offset((2, 6)) == 6
    assert turn.committable_offset((7, 9)) == 6


def test_a_record_is_contiguous_when_nothing_is_missing_before_it():
    """What is missing between the next offset and the record is a gap."""
    turn = OffsetTracker(5)
    assert turn.is_contiguous(gap_free_from=5)
    assert turn.is_contiguous(gap_free_from=3)  # the stretch began before, and we are in its middle
    assert not turn.is_contiguous(gap_free_from=6)


def test_a_delivered_record_is_recognised():
    """The offset after it is not yet delivered."""
    turn = _handed_out(5)
    assert turn.already_delivered(5)
    assert not turn.already_delivered(6)


def test_bytes_count_until_no_older_record_is_unacknowledged():
    """An acknowledged record behind an unacknowledged one still counts."""
    turn = _handed_out(5, 6)
    turn.acknowledge({6})
    assert turn.unacked_bytes == 20
    turn.acknowledge({5})
    assert turn.unacked_bytes == 0


def test_entered_acknowledgements_are_removed_from_the_set():
    """The caller's set is empty afterwards."""
    acked = {5}
    turn = _handed_out(5)
    turn.acknowledge(acked)
    assert acked == set()


@given(st.data())
def test_no_unacknowledged_record_is_ever_committed_past(data: st.DataObject):
    """Whatever is acknowledged in whatever order, no unacknowledged record is before the commit."""
    turn, opened = OffsetTracker(0), set()
    for _ in range(data.draw(st.integers(1, 30))):
        if data.draw(st.booleans()):
            offset = turn.next_offset + data.draw(st.integers(0, 2))
            turn.deliver(offset, 1)
            opened.add(offset)
        elif opened:
            done = data.draw(st.sampled_from(sorted(opened)))
            opened.discard(done)
            turn.acknowledge({done})
        assert all(offset >= turn.committable_offset(None) for offset in opened)
    turn.acknowledge(set(opened))
    assert turn.committable_offset(None) == turn.next_offset
    assert turn.unacked_bytes == 0
