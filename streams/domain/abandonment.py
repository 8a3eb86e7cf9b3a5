"""What becomes of an event on which `step` failed, because of a bug: the message that it is about ends.

Without this the message would stay as it is, and hold up its recipient for ever. It ends with what is
certainly true of it: `sent` if that is what the sender or a receipt reported, `unknown` if it may have been sent,
else `failed`. The code here is as simple as it can be, and does not use the handlers, which may be what failed.
"""

from msgspec.structs import replace

from streams.domain.errors import Error, ErrorClass
from streams.domain.phone.events import (
    Deferred,
    Event,
    Failed,
    Outcome,
    OutcomeUnknown,
    Result,
    ScheduleDue,
    Sent,
    TimerFired,
)
from streams.domain.phone.lifecycle import TransitionRefused
from streams.domain.phone.row_reader import RowReader
from streams.domain.phone.state import Message, Phone, State
from streams.domain.phone.transition import Transition
from streams.domain.policy import Policy

_DETAIL = "see the log of the dispatcher"


def abandon(
    phone: Phone,
    event: Event,
    *,
    offset: int,
    now_s: float,
    append_s: float,
    rows: RowReader,
    policy: Policy,
) -> Phone | None:
    """The phone's row after the event, its journal filled; None if no message can end with this event.

    The phone is woken at once, and goes on with its next message. A request has no row yet: it is
    answered by the phone stage.
    """
    transition = Transition(phone, event, offset, rows, policy, now_s=now_s, append_s=append_s)
    try:
        match event:
            case Outcome():
                has_ended = _end_in_flight(transition, event)
            case TimerFired():
                has_ended = _end_head(transition, event)
            case ScheduleDue():
                has_ended = _end_scheduled(transition, event)
            case _:
                return None
    except TransitionRefused:
        return None
    if not has_ended:
        return None
    transition.update_phone(timer_at_s=now_s, waits=())
    return transition.finish(is_active=True)


def _end_in_flight(transition: Transition, event: Outcome) -> bool:
    in_flight = transition.phone.in_flight
    if in_flight is None or in_flight.dispatch_number != event.dispatch_number:
        return False
    if in_flight.id != event.id:
        return False
    transition.update_phone(in_flight=None)
    message = transition.get_message(event.id)
    if message is None or message.state is not State.DISPATCHED:
        return True
    if message.early_receipt is not None or isinstance(event.result, Sent):
        _end_as_sent(transition, message, event)
    elif _may_have_been_sent(event.result):
        _end_as_unknown(transition, message, event.account)
    else:
        _end_as_failed(transition, message, event.account)
    return True


def _may_have_been_sent(result: Result) -> bool:
    match result:
        case Deferred(in_doubt=True) | OutcomeUnknown():
            return True
        case Failed(error=error):
            return error.error_class is ErrorClass.UNKNOWN
        case _:
            return False


def _end_head(transition: Transition, event: TimerFired) -> bool:
    """The message that would be dispatched next is taken for the cause. If it is not, the next timer ends another."""
    if event.timer_version != transition.phone.timer_version:
        return False
    if transition.phone.in_flight is not None:
        return False
    heads = transition.get_heads()
    if not heads:
        return False
    head = heads[0]
    if head.pinned_to is not None:
        _end_as_unknown(transition, head, head.pinned_to)
    else:
        _end_as_failed(transition, head, None)
    return True


def _end_scheduled(transition: Transition, event: ScheduleDue) -> bool:
    message = transition.get_message(event.id)
    if message is None or message.state is not State.SCHEDULED:
        return False
    _end_as_failed(transition, transition.put_message(replace(message, state=State.WAITING)), None)
    return True


def _end_as_sent(transition: Transition, message: Message, event: Outcome) -> None:
    """A receipt may have told it before the outcome."""
    transition.record_send_time()
    transition.complete(
        replace(message, early_receipt=None),
        State.SENT,
        attempt=message.attempts + 1,
        account=event.account,
        whatsapp_id=event.whatsapp_id,
    )


def _end_as_failed(transition: Transition, message: Message, account: str | None) -> None:
    transition.complete_with_dead_letter(
        message, State.FAILED, Error("internal_error", _DETAIL), account=account
    )


def _end_as_unknown(transition: Transition, message: Message, account: str) -> None:
    transition.record_send_time()
    transition.complete_with_dead_letter(
        message,
        State.UNKNOWN,
        Error("outcome_unknown", f"wa-streams failed on this message; {_DETAIL}"),
        outcome="unknown",
        account=account,
    )
