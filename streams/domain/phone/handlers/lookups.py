"""What WhatsApp answered about the number of a phone: remembered, and forgotten when WhatsApp says something else.

Nothing is looked up here: a sender does that, if its dispatch names no chat.

    the outcome                            of a dispatch or look-up with a chat   of one without
    ------------------------------------   ------------------------------------   ----------------------------
    not on WhatsApp                        the chat is forgotten                  "no" is remembered
    the chat does not open (lookup_failed) the chat is forgotten                  nothing
    anything else                          the chat of its look-up is remembered  nothing
"""

from streams.domain.phone.events import Failed, Outcome
from streams.domain.phone.state import Chat, InFlight
from streams.domain.phone.transition import Transition


def update_chat(transition: Transition, in_flight: InFlight, event: Outcome) -> None:
    """Update what the row remembers. A chat that is forgotten is looked up for the next message."""
    now_s, policy = transition.now_s, transition.policy
    error = event.result.error if isinstance(event.result, Failed) else None
    had_chat = in_flight.has_chat or event.chat_id is not None
    if error is not None and had_chat and (error.is_not_on_whatsapp or error.is_lookup_failed):
        transition.update_phone(chat=None)
    elif event.chat_id is not None:
        valid_until_s = now_s + policy.lookup_cache_found_s
        chat = Chat(chat_id=event.chat_id, valid_until_s=valid_until_s)
        transition.update_phone(chat=chat, alias=None)
    elif error is not None and error.is_not_on_whatsapp:
        valid_until_s = now_s + policy.lookup_cache_s
        transition.update_phone(chat=Chat(chat_id=None, valid_until_s=valid_until_s))
