"""The person behind a phone has written to an account: the conversation goes on with that account.

The event comes at least once. A repeat changes nothing, and what comes out of order only counts: the log decides which
account was written to last. At an alias it goes on to the number that WhatsApp has for the chat.
"""

from streams.domain import conversation
from streams.domain.phone import forwarding
from streams.domain.phone.events import InboundSeen
from streams.domain.phone.handlers import consent
from streams.domain.phone.transition import Transition


def apply_inbound(transition: Transition, event: InboundSeen) -> bool:
    """Count the message, and let its account serve the conversation."""
    if forwarding.forward_event(transition, event):
        return True
    is_decided = consent.apply_word(transition, event)
    return _count(transition, event) or is_decided


def _count(transition: Transition, event: InboundSeen) -> bool:
    phone, now_s = transition.phone, transition.append_s
    expiry_s = transition.policy.conversation_expiry_s
    if conversation.is_repeat(phone.conversation, event.whatsapp_id, now_s, expiry_s):
        return False
    # A person who has written to an account may be answered from it: that opens no new chat.
    closures = {name: c for name, c in phone.closures.items() if name != event.account}
    transition.update_phone(
        account=event.account,
        closures=closures,
        conversation=conversation.add_received(
            phone.conversation, event.whatsapp_id, now_s, expiry_s
        ),
    )
    return True
