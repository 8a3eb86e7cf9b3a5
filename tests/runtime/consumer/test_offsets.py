"""The books of one partition."""

from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.consumer.offsets import Turn


def _handed_out(*offsets: int) -> Turn:
    turn = Turn(offsets[0])
    for offset in offsets:
        turn.hand_out(offset, 10)
    return turn


def test_commits_up_to_the_oldest_that_is_not_acknowledged():
    turn = _handed_out(5, 6, 7, 8)
    turn.acknowledge({6, 8})
    assert turn.committable(None) == 5
    turn.acknowledge({5})
    assert turn.committable(None) == 7
    turn.acknowledge({7})
    assert turn.committable(None) == 9


def test_an_empty_stretch_at_the_end_is_committed_past_only_when_all_is_acknowledged():
    turn = _handed_out(5)
    assert turn.committable((6, 8)) == 5
    turn.acknowledge({5})
    assert turn.committable((6, 8)) == 8
    assert turn.next == 8


def test_an_empty_stretch_elsewhere_says_nothing():
    turn = _handed_out(5)
    turn.acknowledge({5})
    assert turn.committable((2, 6)) == 6
    assert turn.committable((7, 9)) == 6


def test_a_record_is_in_turn_when_nothing_is_missing_before_it():
    turn = Turn(5)
    assert turn.reaches(since=5)
    assert turn.reaches(since=3)  # the stretch began before, and we are in its middle
    assert not turn.reaches(since=6)


def test_what_was_handed_out_is_past():
    turn = _handed_out(5)
    assert turn.is_past(5)
    assert not turn.is_past(6)


def test_bytes_are_open_until_nothing_older_is():
    turn = _handed_out(5, 6)
    turn.acknowledge({6})
    assert turn.open_bytes == 20
    turn.acknowledge({5})
    assert turn.open_bytes == 0


def test_taken_over_acknowledgements_are_emptied():
    acked = {5}
    turn = _handed_out(5)
    turn.acknowledge(acked)
    assert acked == set()


@given(st.data())
def test_no_open_record_is_ever_committed_past(data: st.DataObject):
    """Whatever is acknowledged in whatever order, before the commit lies nothing that is open."""
    turn, opened = Turn(0), set()
    for _ in range(data.draw(st.integers(1, 30))):
        if data.draw(st.booleans()):
            offset = turn.next + data.draw(st.integers(0, 2))
            turn.hand_out(offset, 1)
            opened.add(offset)
        elif opened:
            done = data.draw(st.sampled_from(sorted(opened)))
            opened.discard(done)
            turn.acknowledge({done})
        assert all(offset >= turn.committable(None) for offset in opened)
    turn.acknowledge(set(opened))
    assert turn.committable(None) == turn.next
    assert turn.open_bytes == 0
