"""What a person reads of a message that waits: the reason and the time of its row, and no time where there is none."""

import math

import pytest

from streams.domain.phone.effects import QueuedReason
from streams.domain.phone.state import Message, Phone, State
from streams.domain.phone.waiting import Explanation, explain


def make_message(reason: QueuedReason, not_before_s: float = 0.0) -> Message:
    """A message that waits for this reason."""
    return Message(
        id="a",
        offset=0,
        state=State.WAITING,
        last_reason=reason,
        not_before_s=not_before_s,
    )


@pytest.mark.parametrize(
    ("reason", "not_before_s", "timer_at_s", "until_s"),
    [
        ("retry", 50.0, 0.0, 50.0),
        ("rate_limited", 0.0, 70.0, 70.0),
        ("account_busy", 0.0, math.inf, 0.0),
        ("no_account", 0.0, 0.0, 0.0),
    ],
)
def test_a_time_is_shown_if_there_is_one(
    reason: QueuedReason, not_before_s: float, timer_at_s: float, until_s: float
) -> None:
    """A timer that never comes means that only an account ends the wait: `queue` cannot show it as a time."""
    row = Phone(phone="+60123456789", timer_at_s=timer_at_s)
    assert explain(row, make_message(reason, not_before_s)) == Explanation(reason, until_s, None)
