"""The slow return: after a restriction has ended, the account's pace begins low and doubles up to normal. Pure.

    time since the end      pace
    ----------------------  --------------------------
    less than one step      a quarter
    less than two steps     half
    more                    normal

A step is as long as the restriction was, but at least a minute and at most a day. So a pause of a minute is made good
after two, and a ban of a week after two days. The end of a restriction is in its row, so a restart changes nothing.
A restriction of new chats slows only messages to strangers; every other one slows all messages, also to strangers.
Times are epoch seconds by the broker's clock.
"""

from collections.abc import Iterable
from math import ceil
from typing import Final

import msgspec

from streams.domain.accounts.pacing import Pace
from streams.domain.accounts.restriction import Restriction, Scope

FIRST_FRACTION: Final = 0.25
DOUBLINGS: Final = 2  # to normal
MIN_STEP_S: Final = 60.0
MAX_STEP_S: Final = 86_400.0


class Return(msgspec.Struct, frozen=True):
    """The part of the normal pace that the account has now, and until when; 1 and 0: it is normal."""

    fraction: float = 1.0
    next_change_s: float = 0.0  # epoch: from then on, it is twice as much
    ends_at_s: float = 0.0

    @property
    def is_normal(self) -> bool:
        """Whether nothing slows the account."""
        return self.fraction >= 1.0


NORMAL: Final = Return()


def return_after(restriction: Restriction, now_s: float) -> Return:
    """How far the account has returned from this restriction, which has ended; one in force has not begun to."""
    step_s = _step_s(restriction)
    elapsed_s = max(0.0, now_s - restriction.until_s)
    steps = int(elapsed_s // step_s)
    if steps >= DOUBLINGS:
        return NORMAL
    return Return(
        fraction=FIRST_FRACTION * 2**steps,
        next_change_s=restriction.until_s + (steps + 1) * step_s,
        ends_at_s=restriction.until_s + DOUBLINGS * step_s,
    )


def slowest_return(restrictions: Iterable[Restriction], scope: Scope, now_s: float) -> Return:
    """The return of what has this scope, after all restrictions of the account."""
    slowing = [
        return_after(restriction, now_s)
        for restriction in restrictions
        if scope == "new_chats" or restriction.scope == "everything"
    ]
    unfinished = [each for each in slowing if not each.is_normal]
    if not unfinished:
        return NORMAL
    return Return(
        fraction=min(each.fraction for each in unfinished),
        next_change_s=min(each.next_change_s for each in unfinished),
        ends_at_s=max(each.ends_at_s for each in unfinished),
    )


def slow_down(pace: Pace, fraction: float) -> Pace:
    """The pace at this part of normal. What has no limit gets none, and every limit lets one message through."""
    return Pace(
        interval_s=pace.interval_s / fraction,
        per_minute=_reduce(pace.per_minute, fraction),
        per_day=_reduce(pace.per_day, fraction),
        jitter=pace.jitter,
    )


def _reduce(limit: int, fraction: float) -> int:
    return ceil(limit * fraction)


def _step_s(restriction: Restriction) -> float:
    if restriction.has_no_end:
        return MAX_STEP_S
    return min(MAX_STEP_S, max(MIN_STEP_S, restriction.until_s - restriction.since_s))
