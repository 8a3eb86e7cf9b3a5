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

from streams.domain.accounts.routing import Accounts
from streams.domain.phone import outcomes, requests
from streams.domain.phone.dispatch import release_next
from streams.domain.phone.events import Acked, Aged, Due, Event, Outcome, Submitted, Woken
from streams.domain.phone.state import Phone, Rows
from streams.domain.phone.transition import Fold
from streams.domain.policy import Rules


def step(
    phone: Phone | None,
    event: Event,
    *,
    offset: int,
    now_s: float,
    accounts: Accounts,
    rows: Rows,
    rules: Rules,
) -> Phone | None:
    """The phone's row after this event, its journal filled; None if the event changes nothing.

    `offset` is the event's place in its partition of the log, `now_s` the time as epoch seconds.
    """
    fold = Fold(phone or Phone(phone=event.phone), offset, now_s, rows, rules)
    if not _apply(fold, event):
        return None
    if not fold.phone.gone:
        release_next(fold, accounts)
    return fold.finished(touched=not isinstance(event, Aged))


def _apply(fold: Fold, event: Event) -> bool:
    match event:
        case Submitted():
            return requests.submitted(fold, event)
        case Outcome():
            return outcomes.outcome(fold, event)
        case Acked():
            return outcomes.acked(fold, event)
        case Woken():
            return _woken(fold, event)
        case Due():
            return requests.due(fold, event)
        case Aged():
            return outcomes.aged(fold, event)


def _woken(fold: Fold, event: Woken) -> bool:
    if event.rev != fold.phone.rev:
        return False
    fold.change(rev=fold.phone.rev + 1)  # the clock has spent this one and must arm another
    return True
