"""How much is done ahead follows from how long turns take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.sending.turn_times import (
    CLAIM_AHEAD_S,
    JOIN_RESULTS_S,
    MAX_CLAIMS_AHEAD,
    MAX_JOINED_RESULTS,
    TurnTimes,
)

TURNS = st.lists(st.floats(min_value=-1.0, max_value=100.0), min_size=1, max_size=30)


def _times(turns: list[float]) -> TurnTimes:
    times = TurnTimes()
    for turn_s in turns:
        times.record(turn_s)
    return times


def test_before_the_first_turn_nothing_is_done_ahead() -> None:
    """One claim, and no result waits."""
    times = TurnTimes()
    assert (times.claims_ahead, times.submits_ahead, times.joined_results) == (1, 1, 1)


@pytest.mark.parametrize(
    ("turn_s", "claims", "submits", "results"),
    [
        (0.0, 8, 3, 4),
        (0.01, 8, 3, 4),
        (0.03, 3, 3, 1),
        (0.04, 2, 2, 1),
        (0.17, 1, 1, 1),
        (3.0, 1, 1, 1),
    ],
)
def test_turns_of_one_length(turn_s: float, claims: int, submits: int, results: int) -> None:
    """Fast turns are worth more claims, and more submits ahead; an account with a pace claims one."""
    times = _times([turn_s] * 5)
    ahead = (times.claims_ahead, times.submits_ahead)
    assert (*ahead, times.joined_results) == (claims, submits, results)


@given(TURNS)
def test_the_naive_model(turns: list[float]) -> None:
    """The mean is the sum of all turns, each with a quarter of the weight that the later ones leave."""
    bounded = [max(0.0, turn_s) for turn_s in turns]
    weights = [0.25 * 0.75 ** (len(turns) - 1 - number) for number in range(len(turns))]
    weights[0] = 0.75 ** (len(turns) - 1)
    mean_s = sum(weight * turn_s for weight, turn_s in zip(weights, bounded, strict=True))
    times = _times(turns)
    for count, budget_s, limit in (
        (times.claims_ahead, CLAIM_AHEAD_S, MAX_CLAIMS_AHEAD),
        (times.joined_results, JOIN_RESULTS_S, MAX_JOINED_RESULTS),
    ):
        assert 1 <= count <= limit
        assert count == 1 or count * mean_s <= budget_s + 1e-9
        assert count == limit or (count + 1) * mean_s > budget_s - 1e-9


@given(TURNS)
def test_one_long_turn_ends_what_was_done_ahead(turns: list[float]) -> None:
    """As soon as the account has a pace, or its acks are late, one message is claimed."""
    times = _times([*turns, 1.0])
    assert (times.claims_ahead, times.joined_results) == (1, 1)


@given(TURNS, st.integers(min_value=0, max_value=20))
def test_claims_are_stored_in_batches(turns: list[float], unsubmitted: int) -> None:
    """There is never more room than for the claims ahead, and none while more than half of them are unsubmitted."""
    times = _times(turns)
    room = times.room_for_claims(unsubmitted)
    assert room >= 0
    assert room == 0 or unsubmitted + room == times.claims_ahead
    assert (room > 0) == (2 * unsubmitted <= times.claims_ahead)
