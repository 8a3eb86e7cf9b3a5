"""One recipient, two numbers: what a number is asked for goes to the number that WhatsApp has for the chat.

A row becomes an alias when a look-up answers with a chat of another number. What waits there is forwarded in
order, and so is what arrives later. An attempt in doubt stays, with what is behind it, because its id at
WhatsApp belongs to this number. Nothing loops: a request that comes back to an alias ends the older alias, and
after `MAX_HOPS` the message stays where it is.

Requests that are forwarded twice after a crash have one id, so the recipient recognises the second one. A replay
stays one on its way: the dead letter that it names may be one of the recipient's.
"""

from typing import Final

from msgspec.structs import replace

from streams.domain.phone.effects import ForwardEvent, ForwardRequest, PublishConsent
from streams.domain.phone.events import (
    ConsentMoved,
    ConsentRequested,
    Forwarding,
    InboundSeen,
    Moved,
    Outcome,
    Priority,
    RequestInfo,
    RequestReceived,
)
from streams.domain.phone.state import Alias, Message, Phone, State
from streams.domain.phone.transition import Transition
from streams.domain.policy import Policy

MAX_HOPS: Final = 4
MAX_FORWARDED_PER_EVENT: Final = (
    16  # each with its metadata in the journal; the rest with the next timer
)
LOOKUP_DELAY_S: Final = 5.0
MIN_VALIDITY_S: Final = 60.0  # what waits is forwarded even if look-ups are not remembered


def apply_moved(transition: Transition, message: Message, event: Outcome, result: Moved) -> Message:
    """The row becomes an alias, unless the message has gone round: then the chat that was found is used.

    Without a chat (the sender repeats an old result), the number is looked up once more.
    """
    hop_count = len(message.forwarding.path) if message.forwarding is not None else 0
    is_lookup_needed = False
    if result.phone != transition.phone.phone and hop_count < MAX_HOPS:
        alias = Alias(phone=result.phone, learned_at_s=transition.now_s)
        transition.update_phone(alias=alias, chat=None)
        _move_consent(transition, alias, message.forwarding)
    else:
        is_lookup_needed = event.chat_id is None
    updated = replace(
        message,
        state=State.WAITING,
        pinned_to=None,
        in_doubt_since_s=0.0,
        not_before_s=transition.now_s + (LOOKUP_DELAY_S if is_lookup_needed else 0.0),
    )
    return transition.put_message(updated)


def keep_alias_until_s(phone: Phone, policy: Policy) -> float:
    """As long as a repeat may come, it should find its recipient in one hop."""
    if phone.alias is None:
        return 0.0
    kept_s = max(policy.idempotency_window_s, _get_validity_s(policy))
    return phone.alias.learned_at_s + kept_s


def forward_arrival(transition: Transition, event: RequestReceived) -> bool:
    """Forward the request of this event, unless its place is here."""
    alias = _get_valid_alias(transition)
    if alias is not None and _ends_alias(alias, event.forwarding):
        transition.update_phone(alias=None, chat=None)
        return False
    if alias is None or any(
        head.priority == event.request.priority for head in transition.get_heads()
    ):
        return False  # behind what was accepted earlier
    forwarding = _add_hop(transition, alias, event.forwarding)
    transition.emit(ForwardRequest(phone=alias.phone, request=event.request, forwarding=forwarding))
    return True


def _move_consent(transition: Transition, alias: Alias, arrival: Forwarding | None) -> None:
    """What was decided is decided for the chat. It is there before any message is forwarded."""
    consent = transition.get_consent()
    if consent is None:
        return
    forwarding = replace(_add_hop(transition, alias, arrival), send_times_s=())
    moved = ConsentMoved(phone=alias.phone, consent=consent, forwarding=forwarding)
    transition.emit(ForwardEvent(event=moved))
    transition.put_consent(None)
    transition.emit(PublishConsent(consent=None))


def forward_event(
    transition: Transition, event: InboundSeen | ConsentRequested | ConsentMoved
) -> bool:
    """Forward what the person has written or what was decided for it, unless its place is here."""
    alias = _get_valid_alias(transition)
    if alias is not None and _ends_alias(alias, event.forwarding):
        transition.update_phone(alias=None, chat=None)
        return False
    if alias is None:
        return False
    forwarding = replace(_add_hop(transition, alias, event.forwarding), send_times_s=())
    transition.emit(ForwardEvent(event=replace(event, phone=alias.phone, forwarding=forwarding)))
    return True


def forward_waiting(transition: Transition) -> bool:
    """Forward what waits at an alias; False if there may be more of it."""
    alias = _get_valid_alias(transition)
    if alias is None:
        return True
    for _ in range(MAX_FORWARDED_PER_EVENT):
        message = _find_forwardable(transition)
        if message is None:
            return True
        _forward(transition, alias, message)
    return False


def _get_valid_alias(transition: Transition) -> Alias | None:
    """The alias, unless WhatsApp is to be asked again."""
    alias = transition.phone.alias
    if alias is None:
        return None
    valid_until_s = alias.learned_at_s + _get_validity_s(transition.policy)
    return alias if valid_until_s > transition.now_s else None


def _get_validity_s(policy: Policy) -> float:
    return max(policy.lookup_cache_found_s, MIN_VALIDITY_S)


def _ends_alias(alias: Alias, arrival: Forwarding | None) -> bool:
    """Whether the request has come from where it would go. The number that was learned last counts."""
    if arrival is None:
        return False
    is_older = alias.learned_at_s <= arrival.learned_at_s
    return len(arrival.path) >= MAX_HOPS or (alias.phone in arrival.path and is_older)


def _find_forwardable(transition: Transition) -> Message | None:
    """The first message that nothing of its priority must be waited for."""
    in_doubt: set[Priority] = set()
    for head in transition.get_heads():
        if head.pinned_to is not None:
            in_doubt.add(head.priority)
        elif head.priority not in in_doubt:
            return head
    return None


def _forward(transition: Transition, alias: Alias, message: Message) -> None:
    transition.remove_forwarded(message)
    transition.remove_payload(message.id)
    forwarding = replace(
        _add_hop(transition, alias, message.forwarding),
        is_accepted=True,
        attempts=message.attempts,
        first_failed_at_s=message.first_failed_at_s,
        not_before_s=message.not_before_s,
    )
    request = _make_request_info(message)
    transition.emit(
        ForwardRequest(phone=alias.phone, request=request, forwarding=forwarding, is_stored=True)
    )


def _add_hop(transition: Transition, alias: Alias, arrival: Forwarding | None) -> Forwarding:
    """How the request comes to the next number, if it came here like this."""
    phone = transition.phone
    forwarding = arrival or Forwarding(requested_phone=phone.phone, path=(), learned_at_s=0.0)
    return replace(
        forwarding,
        path=(*forwarding.path, phone.phone),
        learned_at_s=max(alias.learned_at_s, forwarding.learned_at_s),
        send_times_s=phone.send_times_s,
    )


def _make_request_info(message: Message) -> RequestInfo:
    return RequestInfo(
        id=message.id,
        priority=message.priority,
        category=message.category,
        send_at_s=message.send_at_s,
        expires_at_s=message.expires_at_s,
        account=message.account,
        batch_id=message.batch_id,
        members=message.members,
        metadata=message.metadata,
        change=message.change,
        trace=message.trace,
        replay_of=message.replay_of,
        replay_count=message.replay_count,
        allow_duplicate=message.may_have_arrived,
    )
