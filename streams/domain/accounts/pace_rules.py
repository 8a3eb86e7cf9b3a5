"""The pace of a moment: what is configured, lowered by the warm-up ladder and by the slow return. Pure.

    pace of                  interval             per minute          per day
    -----------------------  -------------------  ------------------  ------------------------------------
    all messages             as configured        as configured       the lower one of cap and ladder
    messages to strangers    its own              only in a return    the ladder's new recipients

A stranger has never written to the account. In a slow return each limit is a quarter or half of it, and the interval
four times or twice as long.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from streams.domain.accounts.pacing import Pace
from streams.domain.accounts.restriction import Restriction
from streams.domain.accounts.slow_return import NORMAL, Return, slow_down, slowest_return
from streams.domain.accounts.warm_up import NO_LIMIT, Ladder, Step, day_of

FOREVER_S: Final = float("inf")


class PaceRules(msgspec.Struct, frozen=True):
    """What is configured for an account."""

    pace: Pace = Pace()
    new_chat_interval_s: float = 0.0
    ladder: Ladder = Ladder()
    has_slow_return: bool = True
    max_undelivered_percent: int = 0  # of the recipients of a day; 0: no alarm


class AccountLimits(msgspec.Struct, frozen=True):
    """What holds for an account at a moment, and for how many seconds it stays so."""

    messages: Pace = Pace()
    strangers: Pace = Pace()  # `per_day`: new recipients
    changes_in_s: float = FOREVER_S
    day: int = 1  # of the warm-up
    step: Step = NO_LIMIT
    next_step_in_s: float = FOREVER_S
    messages_return: Return = NORMAL
    strangers_return: Return = NORMAL

    @property
    def is_counting_recipients(self) -> bool:
        """Whether each new recipient has to be known, also after a restart."""
        return bool(self.strangers.per_day or self.strangers.per_minute)

    @property
    def is_pacing_strangers(self) -> bool:
        """Whether a message to a stranger has to wait longer than any other."""
        return bool(self.strangers.interval_s or self.strangers.per_minute)


def limits_at(
    rules: PaceRules, *, age_s: float, restrictions: Iterable[Restriction], now_s: float
) -> AccountLimits:
    """The limits of an account whose number was linked this long ago, after these restrictions."""
    slowing = tuple(restrictions) if rules.has_slow_return else ()
    messages_return = slowest_return(slowing, "everything", now_s)
    strangers_return = slowest_return(slowing, "new_chats", now_s)
    step, next_step_in_s = rules.ladder.step_at(age_s), rules.ladder.next_change_s(age_s)
    changes_s = [
        each.next_change_s - now_s
        for each in (messages_return, strangers_return)
        if not each.is_normal
    ]
    messages = replace(rules.pace, per_day=_lower_limit(rules.pace.per_day, step.messages))
    return AccountLimits(
        messages=slow_down(messages, messages_return.fraction),
        strangers=_pace_strangers(rules, step, strangers_return),
        changes_in_s=max(0.0, min([next_step_in_s, *changes_s])),
        day=day_of(age_s),
        step=step,
        next_step_in_s=next_step_in_s,
        messages_return=messages_return,
        strangers_return=strangers_return,
    )


def _pace_strangers(rules: PaceRules, step: Step, strangers_return: Return) -> Pace:
    """The limit per minute is the account's, so it says nothing of its own at the normal pace."""
    per_minute = 0 if strangers_return.is_normal else rules.pace.per_minute
    pace = Pace(rules.new_chat_interval_s, per_minute, step.new_recipients, rules.pace.jitter)
    return slow_down(pace, strangers_return.fraction)


def _lower_limit(first: int, second: int) -> int:
    """The lower one of two limits, of which 0 is none."""
    return min(first, second) if first and second else first or second
