"""What may be forgotten: completed messages past their time, then the idle phone. Bounds the disk.

The sweep (streams/dispatch/sweep.py) finds candidates with the same predicates and names them in a
`RetentionElapsed`. They are checked again here, for the rows may have changed in between.
"""

from streams.domain import rate_limit
from streams.domain.conversation import is_current
from streams.domain.phone import forwarding
from streams.domain.phone.events import RetentionElapsed
from streams.domain.phone.handlers import remainders
from streams.domain.phone.state import OPEN_STATES, Message, Phone
from streams.domain.phone.transition import Transition
from streams.domain.policy import Policy


def apply_retention(transition: Transition, event: RetentionElapsed) -> bool:
    """Completed messages go when their idempotency window is over; then the phone, if it is idle."""
    messages = [transition.get_message(request_id) for request_id in dict.fromkeys(event.ids)]
    expired = [
        message
        for message in messages
        if message is not None and is_expired(message, transition.now_s, transition.policy)
    ]
    for message in expired:
        transition.remove_message(message)
    is_conversation_over = has_ended_conversation(
        transition.phone, transition.now_s, transition.policy
    )
    if is_conversation_over:
        transition.update_phone(conversation=None)
    is_grace_over = remainders.end_grace(transition)
    is_removed = is_idle(transition.phone, transition.now_s, transition.policy)
    transition.update_phone(is_removed=is_removed)
    return bool(expired) or is_removed or is_conversation_over or is_grace_over


def has_ended_conversation(phone: Phone, now_s: float, policy: Policy) -> bool:
    """Whether the row remembers a conversation in which nobody has written for long."""
    expiry_s = policy.conversation_expiry_s
    return phone.conversation is not None and not is_current(phone.conversation, now_s, expiry_s)


def is_expired(message: Message, now_s: float, policy: Policy) -> bool:
    """Whether the message is complete, and a repeat of its request need not be recognised any more."""
    if message.state in OPEN_STATES:
        return False
    if message.forgotten_at_s:
        return remainders.is_remainder_expired(message, now_s)
    return message.completed_at_s + policy.idempotency_window_s <= now_s


def is_idle(phone: Phone, now_s: float, policy: Policy) -> bool:
    """Whether nothing in the phone's row can matter any more.

    Nothing waits or is in flight, the look-up of its number and its alias are out of date, and the last event
    is older than the conversation's time and than the window of the rate limit. It is not being forgotten, and was
    not a short time ago.
    """
    if phone.in_flight is not None or phone.waiting_count > 0:
        return False
    rate_window_s = rate_limit.WINDOW_S + policy.clock_skew_s
    keep_until_s = phone.last_active_s + max(policy.conversation_expiry_s, rate_window_s)
    lookup_valid_until_s = phone.chat.valid_until_s if phone.chat is not None else 0.0
    alias_kept_until_s = forwarding.keep_alias_until_s(phone, policy)
    forgetting_until_s = remainders.keep_until_s(phone)
    return max(keep_until_s, lookup_valid_until_s, alias_kept_until_s, forgetting_until_s) <= now_s
