"""Quiet hours of a recipient: which of its messages wait for their end, and until when.

Only marketing messages do, urgent ones too, and they hold up nothing else. A message with an attempt in doubt does not
wait: its account finds out what became of the attempt, and may not submit it again before the hours end. Nothing here
dispatches (dispatch.py), and which hours are quiet where is decided in streams/domain/quiet_hours.py.
"""

import math

from msgspec.structs import replace

from streams.domain.phone.events import Deferred
from streams.domain.phone.state import Message, State
from streams.domain.phone.transition import Transition
from streams.domain.quiet_hours import QuietHours, next_allowed_s, next_quiet_s
from streams.domain.recipients import is_group
from streams.domain.time_zones import find_zones


def get_quiet_until_s(transition: Transition, message: Message) -> float:
    """When the quiet hours end in which this message waits; 0: it may go now; infinity: they never end."""
    if message.pinned_to is not None or not _find_end_s(transition, message, transition.now_s):
        return 0.0
    at_s = max(transition.now_s, message.not_before_s)  # of its retry
    return max(at_s, _find_end_s(transition, message, at_s))


def get_submit_before_s(transition: Transition, message: Message) -> float:
    """From when on no sender may submit it: its expiry, the next quiet hours, or now; 0: no such time.

    Now if the recipient has opted out. Then it is dispatched only to find out what became of an attempt in doubt.
    """
    if transition.is_unwanted(message):
        return transition.append_s
    times_s = [message.expires_at_s] if message.expires_at_s else []
    hours = _get_hours(transition, message)
    if hours is not None:
        times_s.append(next_quiet_s(hours, find_zones(transition.phone.phone), transition.now_s))
    return min(times_s, default=0.0)


def get_held_back_until_s(transition: Transition, message: Message, result: Deferred) -> float:
    """Until when a message in doubt may not be submitted again. It only grows while the message is in doubt."""
    if not result.in_doubt:
        return 0.0
    end_s = _find_end_s(transition, message, transition.now_s)
    previous_s = message.held_back_until_s if message.pinned_to is not None else 0.0
    until_s = result.until_s if result.is_held_back else 0.0
    return max(until_s, previous_s, end_s if math.isfinite(end_s) else 0.0)


def hold_back(transition: Transition, message: Message) -> Message:
    """Publish that the message waits for the end of quiet hours, if it does. One that expires before is expired."""
    quiet_until_s = get_quiet_until_s(transition, message)
    if not quiet_until_s or math.isinf(quiet_until_s):
        return message
    if is_expiring(message, quiet_until_s):
        return transition.complete(message, State.EXPIRED, attempt=message.attempts)
    last_status = message.last_status
    if last_status is not None and last_status.due_at_s != quiet_until_s:
        message = replace(message, last_reason="")  # those of another night
    return transition.publish_queued(message, "quiet_hours", quiet_until_s)


def is_expiring(message: Message, quiet_until_s: float) -> bool:
    """Whether the message expires before the quiet hours end in which it waits."""
    return bool(message.expires_at_s) and message.expires_at_s <= quiet_until_s


def _get_hours(transition: Transition, message: Message) -> QuietHours | None:
    """Those of this message. Nothing tells in which time zones the members of a group are, so a group has none."""
    if not message.is_marketing or is_group(transition.phone.phone):
        return None
    return transition.policy.quiet_hours


def _find_end_s(transition: Transition, message: Message, at_s: float) -> float:
    """When the quiet hours end that this moment lies in; 0: it lies in none."""
    hours = _get_hours(transition, message)
    if hours is None:
        return 0.0
    allowed_s = next_allowed_s(hours, find_zones(transition.phone.phone), at_s)
    if allowed_s is None:
        return math.inf
    return allowed_s if allowed_s > at_s else 0.0
