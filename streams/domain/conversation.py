"""The conversation with a recipient: when each side has written last, how often, and with which messages.

It is forgotten when nobody has written for `WA_CONVERSATION_EXPIRY_S`; the next message begins a new one. Its account
is the one in the recipient's row. Times are append times. There is no clock here, and nothing is decided by the counts.
"""

from typing import Final

from msgspec.structs import replace

from streams.domain.stored import Stored

# A message that was received is published at least once: again after a crash, soon after the first time.
MAX_REMEMBERED: Final = 32


class Conversation(Stored, frozen=True):
    """What was written since the conversation began. A time of 0: nothing."""

    received_count: int = 0
    sent_count: int = 0  # also messages of which nobody knows whether they arrived
    last_received_at_s: float = 0.0
    last_sent_at_s: float = 0.0
    recent_ids: tuple[
        str, ...
    ] = ()  # WhatsApp's ids of the messages received last, the newest last


def is_current(conversation: Conversation, now_s: float, expiry_s: float) -> bool:
    """Whether somebody has written in it within this time."""
    return now_s < max(conversation.last_received_at_s, conversation.last_sent_at_s) + expiry_s


def is_repeat(
    conversation: Conversation | None, whatsapp_id: str, now_s: float, expiry_s: float
) -> bool:
    """Whether this message is counted already in the conversation that goes on."""
    return whatsapp_id in _continue(conversation, now_s, expiry_s).recent_ids


def add_received(
    conversation: Conversation | None, whatsapp_id: str, at_s: float, expiry_s: float
) -> Conversation:
    """The conversation after a message of the person."""
    current = _continue(conversation, at_s, expiry_s)
    return replace(
        current,
        received_count=current.received_count + 1,
        last_received_at_s=at_s,
        recent_ids=(*current.recent_ids, whatsapp_id)[-MAX_REMEMBERED:],
    )


def add_sent(conversation: Conversation | None, at_s: float, expiry_s: float) -> Conversation:
    """The conversation after a message to the person."""
    current = _continue(conversation, at_s, expiry_s)
    return replace(current, sent_count=current.sent_count + 1, last_sent_at_s=at_s)


def _continue(conversation: Conversation | None, now_s: float, expiry_s: float) -> Conversation:
    """The conversation that goes on, or a new one."""
    if conversation is None or not is_current(conversation, now_s, expiry_s):
        return Conversation()
    return conversation
