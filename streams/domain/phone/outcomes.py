"""What becomes of a message: the outcome of its release, its acks, and being forgotten."""

from msgspec.structs import replace

from streams.domain import backoff, rate_limit
from streams.domain.errors import Error, ErrorClass
from streams.domain.phone.events import (
    Deferred,
    Failed,
    Outcome,
    OutcomeUnknown,
    ReceiptSeen,
    RetentionElapsed,
    Sent,
)
from streams.domain.phone.state import DELIVERY_STATES, OPEN_STATES, Chat, Message, State
from streams.domain.phone.transition import Transition

_DEFERRING_CLASSES = (ErrorClass.THROTTLED, ErrorClass.SESSION)


def apply_outcome(transition: Transition, event: Outcome) -> bool:
    """The flight ends. An outcome of another release than the one in flight is a repeat."""
    in_flight = transition.phone.in_flight
    if in_flight is None or (in_flight.id, in_flight.dispatch_number) != (
        event.id,
        event.dispatch_number,
    ):
        return False
    transition.update_phone(in_flight=None)
    _update_chat(transition, event)
    message = transition.get_message(event.id)
    if message is None:
        return True  # its row was lost with the disk and the changelog: there is nothing to settle
    match event.result:
        case Sent():
            _apply_sent(transition, message, event, event.result)
        case Failed():
            _apply_failed(transition, message, event, event.result.error)
        case Deferred():
            _apply_deferred(transition, message, event, event.result)
        case OutcomeUnknown():
            _apply_unknown(transition, message, event, event.result)
    return True


def apply_receipt(transition: Transition, event: ReceiptSeen) -> bool:
    """A status that only moves forward; before the outcome it is kept until that comes."""
    message = transition.get_message(event.id)
    new_state = State(event.receipt)
    if message is None:
        return False
    if message.state in OPEN_STATES:
        if message.early_receipt and DELIVERY_STATES.index(
            message.early_receipt
        ) >= DELIVERY_STATES.index(new_state):
            return False
        transition.put_message(replace(message, early_receipt=new_state))
        return True
    if message.state not in DELIVERY_STATES or DELIVERY_STATES.index(
        message.state
    ) >= DELIVERY_STATES.index(new_state):
        return False
    _advance_delivery(transition, message, new_state, event.account, event.whatsapp_id, event.at_s)
    return True


def apply_retention(transition: Transition, event: RetentionElapsed) -> bool:
    """Settled messages past the time in which a repeat is recognised go, then the idle phone."""
    expired_ids = [id_ for id_ in event.ids if _is_retention_elapsed(transition, id_)]
    for request_id in expired_ids:
        transition.remove_message(request_id)
    is_removed = _is_idle(transition)
    transition.update_phone(is_removed=is_removed)
    return bool(expired_ids) or is_removed


def _is_retention_elapsed(transition: Transition, request_id: str) -> bool:
    message = transition.get_message(request_id)
    if message is None or message.state in OPEN_STATES:
        return False
    return message.completed_at_s + transition.policy.idempotency_window_s <= transition.now_s


def _is_idle(transition: Transition) -> bool:
    phone, policy = transition.phone, transition.policy
    is_busy = phone.in_flight is not None or phone.waiting_count > 0
    keep_until_s = max(
        phone.last_active_s
        + max(policy.conversation_expiry_s, rate_limit.WINDOW_S + policy.clock_skew_s),
        0.0,
    )
    if phone.chat is not None:
        keep_until_s = max(keep_until_s, phone.chat.valid_until_s)
    return not is_busy and keep_until_s <= transition.now_s


def _update_chat(transition: Transition, event: Outcome) -> None:
    result = event.result
    if event.chat_id is not None:
        transition.update_phone(
            chat=Chat(
                chat_id=event.chat_id,
                valid_until_s=transition.now_s + transition.policy.lookup_cache_found_s,
            )
        )
    elif isinstance(result, Failed) and result.error.code == "recipient_not_on_whatsapp":
        transition.update_phone(
            chat=Chat(
                chat_id=None, valid_until_s=transition.now_s + transition.policy.lookup_cache_s
            )
        )


def _record_send_time(transition: Transition, at_s: float) -> None:
    transition.update_phone(
        send_times_s=rate_limit.add_send_time(
            transition.phone.send_times_s, at_s, transition.policy.rate_limit_per_minute
        )
    )


def _apply_sent(transition: Transition, message: Message, event: Outcome, result: Sent) -> None:
    _record_send_time(transition, result.at_s)
    completed = transition.complete(
        message,
        State.SENT,
        attempt=message.attempts + 1,
        account=event.account,
        whatsapp_id=event.whatsapp_id,
        at_s=result.at_s,
    )
    if message.early_receipt is not None:
        receipt = message.early_receipt
        _advance_delivery(
            transition, completed, receipt, event.account, event.whatsapp_id, transition.now_s
        )


def _advance_delivery(
    transition: Transition,
    message: Message,
    new_state: State,
    account: str,
    whatsapp_id: str,
    at_s: float,
) -> None:
    transition.publish_status(
        replace(message, state=new_state, early_receipt=None),
        new_state.value,
        attempt=message.attempts + 1,
        account=account,
        whatsapp_id=whatsapp_id,
        at_s=at_s,
    )


def _apply_failed(transition: Transition, message: Message, event: Outcome, error: Error) -> None:
    if error.error_class in _DEFERRING_CLASSES:
        return _apply_deferred(transition, message, event, Deferred(error=error))
    if error.error_class is ErrorClass.UNKNOWN:
        return _apply_unknown(
            transition, message, event, OutcomeUnknown(at_s=transition.now_s, error=error)
        )
    first_failed_at_s = message.first_failed_at_s or transition.now_s
    updated = replace(
        message,
        attempts=message.attempts + 1,
        deferrals=0,
        pinned_to=None,
        first_failed_at_s=first_failed_at_s,
    )
    if (
        error.error_class is ErrorClass.TRANSIENT
        and updated.attempts <= transition.policy.max_retries
    ):
        return _schedule_retry(transition, updated, error)
    fields = {"account": event.account, "whatsapp_id": event.whatsapp_id}
    return transition.complete_with_dead_letter(updated, State.FAILED, error, **fields)


def _schedule_retry(transition: Transition, message: Message, error: Error) -> None:
    delay_s = backoff.retry_delay_s(
        request_id=message.id,
        attempt=message.attempts,
        base_delay_s=transition.policy.retry_delay_s,
    )
    at_s = transition.now_s + delay_s
    updated = replace(message, state=State.WAITING, not_before_s=at_s, in_doubt_since_s=0.0)
    transition.publish_queued(updated, "retry", at_s, error)


def _apply_deferred(
    transition: Transition, message: Message, event: Outcome, result: Deferred
) -> None:
    """Handed back: no attempt is counted. A claim left open binds the message to that account."""
    error = result.error
    delay_s = (
        0.0 if error.code == "deadline_exceeded" else backoff.deferral_delay_s(message.deferrals)
    )
    in_doubt_since_s = (message.in_doubt_since_s or transition.now_s) if result.in_doubt else 0.0
    updated = replace(
        message,
        state=State.WAITING,
        deferrals=message.deferrals + 1,
        not_before_s=max(result.until_s, transition.now_s + delay_s),
        pinned_to=event.account if result.in_doubt else None,
        in_doubt_since_s=in_doubt_since_s,
    )
    transition.put_message(updated)
    if error.error_class is ErrorClass.SESSION:
        transition.publish_queued(updated, "no_account", updated.not_before_s)
    elif delay_s:
        transition.publish_queued(updated, "rate_limited", updated.not_before_s)


def _apply_unknown(
    transition: Transition, message: Message, event: Outcome, result: OutcomeUnknown
) -> None:
    """It may have arrived, so it counts against the limit."""
    _record_send_time(transition, result.at_s)
    updated = replace(message, attempts=message.attempts + 1)
    fields = {"account": event.account, "whatsapp_id": event.whatsapp_id, "outcome": "unknown"}
    transition.complete_with_dead_letter(updated, State.UNKNOWN, result.error, **fields)
