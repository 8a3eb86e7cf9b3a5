"""The state machine of a phone: `step` applies one event to the phone's row.

| event            | what it does                                                                      |
|------------------|-----------------------------------------------------------------------------------|
| RequestReceived  | a new request is accepted or rejected; a repeat is answered with its last status  |
| CancelRequested  | one message is withdrawn, or all that wait                                        |
| Outcome          | ends a dispatch: sent, failed, to be tried again, handed back, moved, unknown     |
| FlightOverdue    | a dispatch without an outcome is marked, and in the end given up as unknown       |
| ReceiptSeen      | sent after all, delivered, read, played: a status that only moves forward         |
| InboundSeen      | the person has written: a conversation goes on, and a word may opt out or in      |
| ConsentRequested | an operator opts the recipient out or in                                          |
| ConsentMoved     | what was decided for another number of the chat counts here                       |
| OptOutContinued  | more of the marketing messages that waited at the opt-out end                     |
| ForgetRequested  | a person wants the recipient forgotten: what waits is cancelled, the rest removed  |
| ForgetContinued  | more of it is removed than one event does                                         |
| TimerFired       | the time or the turn that the row waits for has come                              |
| ScheduleDue      | a scheduled message joins its queue; one that waits expires, wherever it stands   |
| RetentionElapsed | completed messages past their time are removed, then the idle phone               |

After each of them the next message is dispatched if it may be: nothing is in flight, the limit allows
it, and an account has a free slot. What waits at an alias is forwarded instead (forwarding.py). The
function is total: any event on any row gives a row, None for "nothing changes", or an `IllegalTransition`,
which changes nothing either. It has no clock and no randomness, and it writes nothing.
"""

from streams.domain.accounts.routing import AccountCapacities
from streams.domain.phone.dispatch import dispatch_next
from streams.domain.phone.events import (
    CancelRequested,
    ConsentMoved,
    ConsentRequested,
    Event,
    FlightOverdue,
    ForgetContinued,
    ForgetRequested,
    InboundSeen,
    OptOutContinued,
    Outcome,
    ReceiptSeen,
    RequestReceived,
    RetentionElapsed,
    ScheduleDue,
    TimerFired,
)
from streams.domain.phone.handlers import (
    cancels,
    consent,
    forgetting,
    inbound,
    outcomes,
    overdue,
    receipts,
    requests,
    retention,
)
from streams.domain.phone.lifecycle import IllegalTransition, TransitionRefused
from streams.domain.phone.row_reader import RowReader
from streams.domain.phone.state import Phone
from streams.domain.phone.transition import Transition
from streams.domain.policy import Policy


def step(
    phone: Phone | None,
    event: Event,
    *,
    offset: int,
    now_s: float,
    accounts: AccountCapacities,
    rows: RowReader,
    policy: Policy,
    append_s: float | None = None,
) -> Phone | IllegalTransition | None:
    """The phone's row after this event, its journal filled; None if the event changes nothing.

    `offset` is the event's place in its partition of the log. `append_s` is the time when it was appended: what is
    stored and published. Decisions compare stored times with `now_s`. It is the same, and earlier only after the
    broker's clock has jumped ahead (log_clock.py). Both are epoch seconds.
    """
    row = phone or Phone(phone=event.phone)
    append_s = now_s if append_s is None else append_s
    transition = Transition(row, event, offset, rows, policy, now_s=now_s, append_s=append_s)
    try:
        forgetting.note_other_numbers(transition, event)
        if not _apply(transition, event, accounts):
            return None
        if not transition.phone.is_removed and not forgetting.is_cancelling(transition.phone):
            dispatch_next(transition, accounts)
            forgetting.note_ended(transition)
    except TransitionRefused as refused:
        return refused.illegal
    return transition.finish(is_active=not isinstance(event, RetentionElapsed))


def _apply(transition: Transition, event: Event, accounts: AccountCapacities) -> bool:
    """Whether the event changes anything."""
    match event:
        case RequestReceived():
            return requests.apply_request(transition, event, accounts)
        case CancelRequested():
            return cancels.apply_cancel(transition, event)
        case Outcome():
            return outcomes.apply_outcome(transition, event, accounts)
        case FlightOverdue():
            return overdue.apply_flight_overdue(transition, event, accounts)
        case ReceiptSeen():
            return receipts.apply_receipt(transition, event)
        case InboundSeen():
            return inbound.apply_inbound(transition, event)
        case ConsentRequested() | ConsentMoved() | OptOutContinued():
            return consent.apply_consent_event(transition, event)
        case ForgetRequested() | ForgetContinued():
            return forgetting.apply_forget_event(transition, event, accounts)
        case TimerFired() | ScheduleDue() | RetentionElapsed():
            return _apply_time(transition, event)


def _apply_time(transition: Transition, event: TimerFired | ScheduleDue | RetentionElapsed) -> bool:
    match event:
        case TimerFired():
            return _apply_timer(transition, event)
        case ScheduleDue():
            return requests.apply_schedule_due(transition, event)
        case RetentionElapsed():
            return retention.apply_retention(transition, event)


def _apply_timer(transition: Transition, event: TimerFired) -> bool:
    """The timer of this version is used up; the row will wait under the next version."""
    if event.timer_version != transition.phone.timer_version:
        return False
    transition.update_phone(timer_version=transition.phone.timer_version + 1)
    return True
