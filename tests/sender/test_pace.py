"""An account at its pace: what cannot go goes back, and everybody is told until when."""

import pytest

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S, Pace, Pacer


@pytest.mark.parametrize(("now_s", "busy_until_s"), [(100.0, 160.0), (155.1, 0.0), (160.0, 0.0)])
def test_an_account_is_busy_while_its_pace_is_further_off_than_a_lane_waits(
    now_s: float, busy_until_s: float
) -> None:
    """What is nearer is waited for in the lane, and the account may be handed more."""
    pacer = Pacer(Pace(interval_s=0.1, per_minute=2), send_times_s=[99.0, 100.0, 100.0])
    assert MAX_PACE_WAIT_S == 5.0
    assert pacer.busy_until_s(now_s) == busy_until_s
