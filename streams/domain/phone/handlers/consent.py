"""A recipient opts out of marketing messages, or in again: by a word that it writes, or by an operator.

From the event on, no marketing message of the recipient is dispatched: what waits or is scheduled is rejected, a slice
with each event, and dispatch.py rejects what it meets before its slice. A message in flight goes its way. One in doubt
is reconciled, and not submitted again. Consent has a row of its own, which no retention removes.
"""

import hashlib
from typing import Final

from streams.domain.consent import state as consents
from streams.domain.consent.state import Consent
from streams.domain.consent.words import find_change
from streams.domain.errors import Error
from streams.domain.phone import forwarding
from streams.domain.phone.effects import ForwardEvent, PublishConsent, RequestReply
from streams.domain.phone.events import (
    ConsentMoved,
    ConsentRequested,
    InboundSeen,
    OptOutContinued,
)
from streams.domain.phone.state import Message, State
from streams.domain.phone.transition import Transition

MAX_REJECTED_PER_EVENT: Final = 50  # each with its row in the journal; the rest with the next event


def apply_word(transition: Transition, event: InboundSeen) -> bool:
    """What the person has written may be an opt-out or opt-in word. Whether that is new."""
    policy = transition.policy
    status = find_change(event.text, policy.opt_out_words, policy.opt_in_words)
    before = transition.get_consent() if status is not None else None
    decision_id = f"{event.account}/{event.whatsapp_id}"
    if status is None or consents.is_repeat(before, decision_id):
        return False
    after = consents.after_message(
        before,
        status,
        account=event.account,
        at_s=transition.append_s,
        written_at_s=event.at_s,
    )
    if after is not None:
        text = policy.opt_out_reply if status == "opted_out" else policy.opt_in_reply
        _decide(transition, before, consents.remember(after, before, decision_id))
        _reply(transition, decision_id, text)
    elif before is not None:
        transition.put_consent(consents.remember(before, before, decision_id))
    return before is not None or after is not None


def apply_consent_event(
    transition: Transition, event: ConsentRequested | ConsentMoved | OptOutContinued
) -> bool:
    """An operator decides, or it was decided for another number of the chat, or more is to be rejected."""
    if isinstance(event, OptOutContinued):
        return _reject_waiting(transition, event.before_offset)
    if forwarding.forward_event(transition, event):
        return True
    before = transition.get_consent()
    if isinstance(event, ConsentMoved):
        _decide(transition, before, consents.merge(before, event.consent))
        return True
    decision_id = event.source_record.coordinates
    if consents.is_repeat(before, decision_id):
        return False
    after = consents.after_request(event.consent, event.request_id, transition.append_s)
    _decide(transition, before, consents.remember(after, before, decision_id))
    return True


def _decide(transition: Transition, before: Consent | None, after: Consent) -> None:
    transition.put_consent(after)
    is_change = before is None or before.status != after.status
    transition.emit(PublishConsent(consent=after, is_change=is_change))
    if consents.is_opted_out(after):
        _reject_waiting(transition, transition.offset)


def _reply(transition: Transition, decision_id: str, text: str) -> None:
    """The id follows from the message that is answered."""
    if text:
        digest = hashlib.sha256(decision_id.encode(errors="replace")).hexdigest()[:32]
        transition.emit(RequestReply(id=f"consent-{digest}", text=text))


# -- rejecting


def make_error(transition: Transition) -> Error:
    """Why a marketing message is rejected."""
    consent = transition.get_consent()
    by_whom = "an operator" if consent is not None and consent.source == "operator" else "a message"
    return Error(
        "recipient_opted_out",
        f"by {by_whom}; only an opt-in of the recipient or an operator ends it",
    )


def reject(transition: Transition, message: Message) -> Message:
    """The message ends with a dead letter. It may be replayed once the recipient has opted in."""
    return transition.complete_with_dead_letter(message, State.REJECTED, make_error(transition))


def _reject_waiting(transition: Transition, before_offset: int) -> bool:
    """The marketing messages that were accepted before this event end, a slice at a time."""
    rejected_count = 0
    for request_id in transition.list_waiting_ids():
        message = transition.get_message(request_id)
        if message is None or message.offset >= before_offset or not _is_rejectable(message):
            continue
        if rejected_count == MAX_REJECTED_PER_EVENT:
            rest = OptOutContinued(phone=transition.phone.phone, before_offset=before_offset)
            transition.emit(ForwardEvent(event=rest))
            return True
        reject(transition, message)
        rejected_count += 1
    return rejected_count > 0


def _is_rejectable(message: Message) -> bool:
    """Whether it is a marketing message that certainly was not sent, and that nobody sends now."""
    if not message.is_marketing or message.pinned_to is not None:
        return False
    return message.state in (State.WAITING, State.SCHEDULED)
