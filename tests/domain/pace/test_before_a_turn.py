"""What comes before a message's turn: the time of a message to a stranger, and how long typing is shown."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S
from streams.domain.accounts.stranger_times import StrangerTimes
from streams.domain.sending.typing_indication import TypingRule


@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9), st.floats(0, 60)), max_size=40),
    st.floats(0.5, 30),
)
def test_each_stranger_has_a_time_of_its_own(
    steps: list[tuple[float, float, float]], spacing_s: float
) -> None:
    """Those that wait are one interval apart, and so are those that come back; nobody waits for too long."""
    times, now_s = StrangerTimes(), 1000.0
    at_s: dict[bool, list[float]] = {False: [], True: []}
    for pause_s, next_wait_s, max_wait_s in steps:
        now_s += pause_s
        wait_s, is_handed_back = times.reserve(
            now_s, next_wait_s=next_wait_s, spacing_s=spacing_s, max_wait_s=max_wait_s
        )
        assert wait_s >= next_wait_s - 1e-6
        assert is_handed_back or wait_s <= min(MAX_PACE_WAIT_S, max_wait_s)
        at_s[is_handed_back].append(now_s + wait_s)
    for times_s in at_s.values():
        assert all(later - earlier >= spacing_s - 1e-6 for earlier, later in pairwise(times_s))


@pytest.mark.parametrize(
    ("content", "duration_s"),
    [
        ({"type": "text", "body": "hello!"}, 2.0),
        ({"type": "text", "body": "x" * 10_000}, 5.0),
        ({"type": "image", "caption": "abc"}, 1.0),
        ({"type": "image"}, 0.0),
        ({"type": "text", "body": None}, 0.0),
    ],
)
def test_how_long_typing_is_shown(content: dict[str, object], duration_s: float) -> None:
    """In proportion to the text, and no longer than the bound; without a bound it is off."""
    assert TypingRule(max_s=5.0).duration_s(content) == duration_s
    assert TypingRule().duration_s(content) == 0.0
