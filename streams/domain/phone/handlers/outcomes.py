"""What a sender made of a dispatch: the message was sent, failed, was handed back, or is unknown.

The class of its error decides what becomes of the message. Nothing here dispatches: that is dispatch.py.

A dispatch whose sender does not answer is ended without it (streams/dispatch/flights). The sender may
answer late all the same:

    the late outcome is            and the message             what it does
    ----------------------------   -------------------------   ----------------------------------------
    sent                           any                         what a receipt does: the message is sent
    of its last dispatch, final,   waits, and its attempt      ends the doubt, as if it were in time
    not sent                       there is in doubt
    of a forgotten message         has the same id            nothing
    anything else                                              nothing: a repeat, or a later one follows
"""

from typing import Final

from msgspec.structs import replace

from streams.domain import backoff
from streams.domain.accounts.routing import MAX_BUSY_S, AccountCapacities, is_any_ready
from streams.domain.errors import Error, ErrorClass
from streams.domain.phone import forwarding
from streams.domain.phone.closures import close_account, release_to_others
from streams.domain.phone.events import (
    Deferred,
    Failed,
    Moved,
    Outcome,
    OutcomeUnknown,
    ReceiptKind,
    ReceiptSeen,
    Sent,
)
from streams.domain.phone.handlers import groups, lookups, receipts
from streams.domain.phone.scheduling.quiet import get_held_back_until_s
from streams.domain.phone.state import InFlight, Message, State
from streams.domain.phone.transition import Transition

_DEFERRING_CLASSES: Final = (ErrorClass.THROTTLED, ErrorClass.SESSION)
# A message that the server refuses this often is at fault itself. Without a limit, one invalid message (479)
# pauses its account again and again.
MAX_REFUSALS: Final = 3
# So often a living sender may leave a message without an outcome. Without a limit, one command that a sender
# cannot read holds up its recipient for ever. Each time takes more than a minute.
MAX_UNANSWERED: Final = 10


def apply_outcome(transition: Transition, event: Outcome, accounts: AccountCapacities) -> bool:
    """The dispatch in flight ends, or the outcome is late."""
    if _is_of_forgotten(transition, event):
        return False
    in_flight = transition.phone.in_flight
    if in_flight is None or not _is_of(event, in_flight):
        return _apply_late(transition, event, accounts)
    transition.update_phone(in_flight=None)
    lookups.update_chat(transition, in_flight, event)
    message = transition.get_message(event.id)
    if message is None or message.state is not State.DISPATCHED:
        # Its row was lost with the disk and the changelog, and perhaps it was requested again since.
        # There is nothing to complete; but the dispatch has ended, and the phone goes on.
        return True
    if message.early_receipt is not None and not isinstance(event.result, Sent):
        # A receipt proves that it arrived, whatever the sender could find out.
        _apply_sent(transition, message, event, Sent(at_s=transition.now_s))
        return True
    _apply_result(transition, message, event, accounts)
    return True


def _is_of_forgotten(transition: Transition, event: Outcome) -> bool:
    message = transition.get_message(event.id) if event.accepted_offset >= 0 else None
    return message is not None and message.accepted_offset != event.accepted_offset


def _is_of(event: Outcome, in_flight: InFlight) -> bool:
    return (in_flight.id, in_flight.dispatch_number) == (event.id, event.dispatch_number)


def _apply_late(transition: Transition, event: Outcome, accounts: AccountCapacities) -> bool:
    """The dispatch was ended already: by an equal outcome, or because its sender did not answer."""
    if isinstance(event.result, Sent):
        return receipts.apply_receipt(transition, _make_receipt(event, "sent", event.result.at_s))
    message = transition.get_message(event.id)
    if message is None or message.state is not State.WAITING or not _ends_doubt(message, event):
        return False
    _apply_result(transition, message, event, accounts)
    return True


def _ends_doubt(message: Message, event: Outcome) -> bool:
    """No later dispatch of the message can have changed what this one says about the doubt."""
    if isinstance(event.result, Deferred) and event.result.in_doubt:
        return False
    attempt_in_doubt = message.pinned_to, message.dispatches
    return attempt_in_doubt == (event.account, event.dispatch_number)


def _apply_result(
    transition: Transition, message: Message, event: Outcome, accounts: AccountCapacities
) -> None:
    if not (isinstance(event.result, Deferred) and event.result.is_unanswered):
        message = replace(message, unanswered=0)
    match event.result:
        case Sent():
            _apply_sent(transition, message, event, event.result)
        case Failed():
            _apply_failed(transition, message, event, event.result.error, accounts)
        case Deferred():
            _apply_deferred(transition, message, event, event.result, accounts)
        case Moved():
            forwarding.apply_moved(transition, message, event, event.result)
        case OutcomeUnknown():
            _apply_unknown(transition, message, event, event.result)


def _apply_sent(transition: Transition, message: Message, event: Outcome, result: Sent) -> None:
    """A receipt that came before this outcome follows it."""
    transition.record_send_time()
    completed = transition.complete(
        replace(message, attempts=message.attempts + 1, in_doubt_since_s=0.0, early_receipt=None),
        State.SENT,
        attempt=message.attempts + 1,
        account=event.account,
        whatsapp_id=event.whatsapp_id,
    )
    if message.early_receipt is not None:
        receipt = _make_receipt(event, message.early_receipt, transition.now_s)
        receipts.publish_receipt(transition, completed, receipt)


def _make_receipt(event: Outcome, receipt: ReceiptKind, at_s: float) -> ReceiptSeen:
    return ReceiptSeen(
        phone=event.phone,
        id=event.id,
        account=event.account,
        whatsapp_id=event.whatsapp_id,
        receipt=receipt,
        at_s=at_s,
    )


def _apply_failed(
    transition: Transition,
    message: Message,
    event: Outcome,
    error: Error,
    accounts: AccountCapacities,
) -> Message:
    if error.error_class in _DEFERRING_CLASSES:
        return _apply_deferred(transition, message, event, Deferred(error=error), accounts)
    if error.error_class is ErrorClass.UNKNOWN:
        unknown = OutcomeUnknown(at_s=transition.now_s, error=error)
        return _apply_unknown(transition, message, event, unknown)
    waiting = groups.hand_over(transition, message, event.account, error, accounts)
    if waiting is not None:
        return waiting
    updated = replace(
        message,
        attempts=message.attempts + 1,
        deferrals=0,
        pinned_to=None,
        first_failed_at_s=message.first_failed_at_s or transition.append_s,
    )
    is_retryable = error.error_class is ErrorClass.TRANSIENT
    if is_retryable and updated.attempts <= transition.policy.max_retries:
        return _schedule_retry(transition, updated, error)
    return transition.complete_with_dead_letter(
        updated, State.FAILED, error, account=event.account, whatsapp_id=event.whatsapp_id
    )


def _schedule_retry(transition: Transition, message: Message, error: Error) -> Message:
    """It keeps its place in the queue until the retry."""
    delay_s = backoff.retry_delay_s(
        request_id=message.id,
        attempt=message.attempts,
        base_delay_s=transition.policy.retry_delay_s,
    )
    at_s = transition.now_s + delay_s
    updated = replace(message, state=State.WAITING, not_before_s=at_s, in_doubt_since_s=0.0)
    return transition.publish_queued(updated, "retry", at_s, error)


def _apply_deferred(
    transition: Transition,
    message: Message,
    event: Outcome,
    result: Deferred,
    accounts: AccountCapacities,
) -> Message:
    """Handed back: no attempt is counted. An attempt in doubt pins the message to that account."""
    error = result.error
    if result.is_unanswered:
        message = replace(message, unanswered=message.unanswered + 1)
        if message.unanswered >= MAX_UNANSWERED and not result.in_doubt:
            return _apply_unanswered(transition, message, event)
    if result.is_refused:
        message = replace(message, refusals=message.refusals + 1)
        if message.refusals >= MAX_REFUSALS:
            return _apply_refused(transition, message, event, result)
    if error.is_new_chat_refused and not result.in_doubt:
        return _close_account(transition, message, event.account, result.until_s)
    # It only came too late for this dispatch, so it may be dispatched again at once. Not again and again: the next
    # one may be too late as well. One that nobody answered took a minute already.
    is_first_or_slow = result.is_unanswered or not message.deferrals
    is_repeated_now = error.is_deadline_exceeded and is_first_or_slow
    delay_s = 0.0 if is_repeated_now else backoff.deferral_delay_s(message.deferrals)
    in_doubt_since_s = (message.in_doubt_since_s or transition.append_s) if result.in_doubt else 0.0
    # Another account may take it before this one is in order again.
    can_move = error.error_class is ErrorClass.SESSION or _may_move(
        transition, message, event, result, accounts
    )
    until_s = 0.0 if can_move and not result.in_doubt else result.until_s
    updated = replace(
        message,
        state=State.WAITING,
        deferrals=message.deferrals + 1,
        not_before_s=max(until_s, transition.now_s + delay_s),
        pinned_to=event.account if result.in_doubt else None,
        in_doubt_since_s=in_doubt_since_s,
        is_claimed=result.in_doubt and (message.was_claimed or not result.is_unread),
        held_back_until_s=get_held_back_until_s(transition, message, result),
    )
    if result.in_doubt:
        parked = transition.park(updated)
        return transition.publish_queued(parked, "attempt_in_doubt", updated.not_before_s)
    if can_move:
        due_at_s = max(result.until_s, updated.not_before_s)
        reason = "retry" if is_any_ready(message.account, accounts) else "no_account"
        return transition.publish_queued(updated, reason, due_at_s)
    if is_repeated_now:
        return transition.put_message(updated)
    reason = "retry" if error.is_only_late else "rate_limited"
    return transition.publish_queued(updated, reason, updated.not_before_s)


def _may_move(
    transition: Transition,
    message: Message,
    event: Outcome,
    result: Deferred,
    accounts: AccountCapacities,
) -> bool:
    """Its account is held for long by its own pace or cap, and another one is ready."""
    is_held_for_long = result.until_s > transition.now_s + MAX_BUSY_S
    is_held = result.error.is_account_pace and is_held_for_long
    return is_held and is_any_ready(message.account, accounts, except_account=event.account)


def _apply_refused(
    transition: Transition, message: Message, event: Outcome, result: Deferred
) -> Message:
    """It is not tried again. If an earlier submit may have arrived, that is all that is known."""
    detail = f"refused {message.refusals} times: {result.error.detail}"
    if result.in_doubt:
        error = Error("outcome_unknown", detail)
        unknown = OutcomeUnknown(at_s=transition.now_s, error=error)
        return _apply_unknown(transition, message, event, unknown)
    return transition.complete_with_dead_letter(
        replace(message, attempts=message.attempts + 1),
        State.FAILED,
        Error("server_error", detail),
        account=event.account,
        whatsapp_id=event.whatsapp_id,
    )


def _apply_unanswered(transition: Transition, message: Message, event: Outcome) -> Message:
    """It was never claimed, so it was not sent; the sender fails on it, or never gets it."""
    detail = f"the sender of {event.account} did not answer {message.unanswered} dispatches"
    return transition.complete_with_dead_letter(
        message, State.FAILED, Error("timeout_before_submit", detail), account=event.account
    )


def _close_account(
    transition: Transition, message: Message, account: str, until_s: float
) -> Message:
    """The account may not write to this recipient before then. The message may use another one at once."""
    # Not at once again, even if the sender's time has passed already.
    retry_at_s = transition.now_s + backoff.deferral_delay_s(message.deferrals)
    close_account(transition, account, until_s=until_s, retry_at_s=retry_at_s)
    return transition.put_message(release_to_others(message))


def _apply_unknown(
    transition: Transition, message: Message, event: Outcome, result: OutcomeUnknown
) -> Message:
    """It may have arrived, so it counts against the limit."""
    transition.record_send_time()
    return transition.complete_with_dead_letter(
        replace(message, attempts=message.attempts + 1),
        State.UNKNOWN,
        result.error,
        outcome="unknown",
        account=event.account,
        whatsapp_id=event.whatsapp_id,
    )
