"""The pace of an account: when it is published as busy."""

import pytest

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S, Pace, Pacer


@pytest.mark.parametrize(("now_s", "busy_for_s"), [(100.0, 60.0), (155.1, 0.0), (160.0, 0.0)])
def test_an_account_is_busy_while_its_next_send_is_too_far_off_to_wait_for(
    now_s: float, busy_for_s: float
) -> None:
    """The pipeline waits for a nearer time itself, and more may be dispatched to the account."""
    pacer = Pacer(Pace(interval_s=0.1, per_minute=2))
    for at_s in (99.0, 100.0, 100.0):
        pacer.record_sent(at_s)
    assert MAX_PACE_WAIT_S == 5.0
    assert pacer.busy_for_s(now_s) == busy_for_s
