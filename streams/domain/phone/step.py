"""The state machine of a phone: `step` folds one event into the phone's row.

| event     | what it does                                                                             |
|-----------|------------------------------------------------------------------------------------------|
| submitted | a new request: accepted (queued, scheduled) or rejected; a repeat: its last status again |
| outcome   | ends the flight: sent, failed, tried again, handed back, unknown                          |
| acked     | delivered, read, played: a status that only moves forward                                |
| woken     | the time or the turn that the row waits for has come                                     |
| due       | a scheduled message joins its lane                                                       |
| aged      | settled messages past their time are forgotten, then the idle phone                      |

After each of them the next message is released if it may be: nothing in flight, inside the limit, an
account with a place. The function is total: any event on any row gives a row, or None for "changes
nothing". It reads no clock, throws no dice and writes nothing.
"""

from streams.domain.accounts.routing import AccountCapacities
from streams.domain.phone import outcomes, requests
from streams.domain.phone.dispatch import dispatch_next
from streams.domain.phone.events import (
    Event,
    Outcome,
    ReceiptSeen,
    RequestReceived,
    RetentionElapsed,
    ScheduleDue,
    TimerFired,
)
from streams.domain.phone.state import Phone, RowReader
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
) -> Phone | None:
    """The phone's row after this event, its journal filled; None if the event changes nothing.

    `offset` is the event's place in its partition of the log, `now_s` the time as epoch seconds.
    """
    transition = Transition(phone or Phone(phone=event.phone), offset, now_s, rows, policy)
    if not _apply(transition, event):
        return None
    if not transition.phone.is_removed:
        dispatch_next(transition, accounts)
    return transition.finish(is_active=not isinstance(event, RetentionElapsed))


def _apply(transition: Transition, event: Event) -> bool:
    match event:
        case RequestReceived():
            return requests.apply_request(transition, event)
        case Outcome():
            return outcomes.apply_outcome(transition, event)
        case ReceiptSeen():
            return outcomes.apply_receipt(transition, event)
        case TimerFired():
            return _apply_timer(transition, event)
        case ScheduleDue():
            return requests.apply_schedule_due(transition, event)
        case RetentionElapsed():
            return outcomes.apply_retention(transition, event)


def _apply_timer(transition: Transition, event: TimerFired) -> bool:
    if event.timer_version != transition.phone.timer_version:
        return False
    transition.update_phone(
        timer_version=transition.phone.timer_version + 1
    )  # the clock has spent this one and must arm another
    return True
