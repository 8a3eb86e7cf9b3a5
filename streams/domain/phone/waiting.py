"""Why a message waits, since when and until when: for the people who look at a queue. Decides nothing.

What it says is what the rows say. A message behind another one of its recipient has no reason of its own.
"""

from math import isfinite
from typing import Final, Literal, NamedTuple, TypeAlias

from streams.domain.phone.effects import QueuedReason
from streams.domain.phone.state import OPEN_STATES, Message, Phone, State

# `in_turn`: an earlier message of the same recipient goes first. `in_flight`: a sender has it. `overdue`: and does not
# answer, so its claim is being read.
WaitReason: TypeAlias = QueuedReason | Literal["in_turn", "in_flight", "overdue"]

IN_TURN: Final = "in_turn"
IN_FLIGHT: Final = "in_flight"
OVERDUE: Final = "overdue"


class Explanation(NamedTuple):
    """Times are epoch seconds; 0: not known, or no time ends it. `account`: the one it waits for or is with."""

    reason: WaitReason
    until_s: float = 0.0
    account: str | None = None


def is_open(message: Message) -> bool:
    """Whether the message still waits or is with a sender."""
    return message.state in OPEN_STATES


def explain(row: Phone, message: Message) -> Explanation:
    """Why this open message has not been sent yet."""
    in_flight = row.in_flight
    if in_flight is not None and in_flight.id == message.id:
        if in_flight.overdue_since_s:
            return Explanation(OVERDUE, 0.0, in_flight.account)
        reason = "attempt_in_doubt" if message.pinned_to is not None else IN_FLIGHT
        return Explanation(reason, in_flight.deadline_s, in_flight.account)
    if message.state is State.SCHEDULED:
        return Explanation("scheduled", message.send_at_s, message.account)
    if message.pinned_to is not None:
        return Explanation("attempt_in_doubt", message.not_before_s, message.pinned_to)
    if message.is_marketing and row.quiet_until_s:
        return Explanation("quiet_hours", row.quiet_until_s, message.account)
    # A message that waits for its own account waits for it whatever else is in flight.
    is_behind = in_flight is not None and message.last_reason != "no_account"
    if is_behind or not message.last_reason:
        return Explanation(IN_TURN, 0.0, message.account)
    until_s = max(message.not_before_s, row.timer_at_s)  # infinite, if only its account lets it go
    return Explanation(message.last_reason, until_s if isfinite(until_s) else 0.0, message.account)
