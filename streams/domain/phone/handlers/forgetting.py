"""A recipient is forgotten: what waits is cancelled, then everything is removed that names it.

    the message                              what becomes of it
    --------------------------------------   ---------------------------------------------------------------
    is scheduled, or waits                   it is cancelled, and then removed
    is in flight, or in doubt                it ends by itself, and then it is removed; until then the row stays
    has ended                                it is removed; for `GRACE_S`, a hash of its id is kept
    was accepted after the request           nothing: it is to a recipient that nobody has seen before

A message is removed by a later event than the one that ended it, because the effects of its end need its row. Each
event does a part of the work, and the next one is in the log before it is acknowledged. The limit of a minute holds
on: its times stay in the row. Nothing is dispatched here.
"""

from typing import Final

from msgspec.structs import replace

from streams.domain.accounts.routing import AccountCapacities
from streams.domain.phone.effects import ForwardEvent
from streams.domain.phone.events import Event
from streams.domain.phone.handlers import forgetting_end, remainders
from streams.domain.phone.handlers.cancels import MAX_REMEMBERED, is_cancellable
from streams.domain.phone.state import OPEN_STATES, Phone, State
from streams.domain.phone.transition import Transition
from streams.domain.phone.values.forgetting import (
    ForgetContinued,
    ForgetRequested,
    Forgetting,
)

MAX_PER_EVENT: Final = 50  # each with its row in the journal
MAX_OTHER_NUMBERS: Final = 8
MAX_REPLACED: Final = 8  # requests that are remembered, so that their reports are removed


def apply_forget_event(
    transition: Transition, event: ForgetRequested | ForgetContinued, accounts: AccountCapacities
) -> bool:
    """Begin, or do the next part; False: there is nothing to do."""
    if isinstance(event, ForgetRequested):
        return _begin(transition, event)
    if transition.phone.forgetting is None:
        return False
    _advance(transition, accounts)
    return True


def _begin(transition: Transition, event: ForgetRequested) -> bool:
    """A record that is read twice begins once: the second time, it would forget what came after it."""
    coordinates, recent = event.source_record.coordinates, transition.phone.recent_cancels
    if coordinates in recent:
        return False
    earlier, replaced_ids = transition.phone.forgetting, ()
    if earlier is not None:
        forgetting_end.report(transition, earlier, "replaced", replaced_by=event.request_id)
        replaced_ids = (*earlier.replaced_ids, earlier.request.request_id)[-MAX_REPLACED:]
    transition.update_phone(
        recent_cancels=(*recent, coordinates)[-MAX_REMEMBERED:],
        forgetting=Forgetting(
            request=event, before_offset=transition.offset, replaced_ids=replaced_ids
        ),
    )
    forgetting_end.forward(transition, event)
    _cancel_waiting(transition, forgetting_end.get(transition))
    forgetting_end.report(transition, forgetting_end.get(transition), "in_progress")
    _continue_later(transition)
    return True


def note_other_numbers(transition: Transition, event: Event) -> None:
    """Remember the numbers of the same chat, from which this event was forwarded."""
    forwarding = getattr(event, "forwarding", None)
    if forwarding is None:
        return
    phone = transition.phone
    added = [n for n in forwarding.path if n not in (phone.phone, *phone.other_numbers)]
    if added:
        other_numbers = (*phone.other_numbers, *added)[-MAX_OTHER_NUMBERS:]
        transition.update_phone(other_numbers=other_numbers)


def is_cancelling(phone: Phone) -> bool:
    """Whether messages wait that are about to be cancelled: none of them may be dispatched."""
    return phone.forgetting is not None and not phone.forgetting.is_cancelled


def note_ended(transition: Transition) -> None:
    """A message for which the forgetting waits may have ended with this event."""
    forgetting = transition.phone.forgetting
    if forgetting is None or not forgetting.is_searched:
        return
    if any(_is_over(transition, id_) for id_ in forgetting.unfinished_ids):
        _continue_later(transition)


# -- the parts


def _advance(transition: Transition, accounts: AccountCapacities) -> None:
    forgetting = forgetting_end.get(transition)
    if not forgetting.is_cancelled:
        _cancel_waiting(transition, forgetting)
        _continue_later(transition)
    elif not forgetting.is_searched:
        _search(transition, forgetting)
        _continue_later(transition)
    else:
        _remove_unfinished(transition, forgetting)
        if not forgetting_end.get(transition).unfinished_ids:
            forgetting_end.finish(transition, accounts)
            return
    forgetting_end.report(transition, forgetting_end.get(transition), "in_progress")


def _continue_later(transition: Transition) -> None:
    transition.emit(ForwardEvent(event=ForgetContinued(phone=transition.phone.phone)))


def _cancel_waiting(transition: Transition, forgetting: Forgetting) -> None:
    """Cancel the next messages that wait. What a sender has is cancelled if it comes back unsent."""
    cancelled_count = 0
    for request_id in transition.list_waiting_ids():
        message = transition.get_message(request_id)
        if message is None or message.offset >= forgetting.before_offset:
            continue
        if not is_cancellable(message):
            transition.put_message(replace(message, is_withdrawn=True))
            continue
        if cancelled_count == MAX_PER_EVENT:
            break
        transition.complete(message, State.CANCELLED, attempt=message.attempts)
        cancelled_count += 1
    updated = replace(
        forgetting,
        cancelled_count=forgetting.cancelled_count + cancelled_count,
        is_cancelled=cancelled_count < MAX_PER_EVENT,
    )
    transition.update_phone(forgetting=updated)


def _search(transition: Transition, forgetting: Forgetting) -> None:
    """Look at the next rows of messages: remove those that have ended, and note the others."""
    ids = transition.list_message_ids(forgetting.after, MAX_PER_EVENT)
    removed_count, unfinished = 0, list(forgetting.unfinished_ids)
    for request_id in ids:
        message = transition.get_message(request_id)
        if message is None or message.offset >= forgetting.before_offset:
            continue
        if message.state in OPEN_STATES:
            unfinished.append(request_id)
        else:
            remainders.remove(transition, message)
            removed_count += 1
    updated = replace(
        forgetting,
        after=ids[-1] if ids else forgetting.after,
        is_searched=len(ids) < MAX_PER_EVENT,
        unfinished_ids=tuple(dict.fromkeys(unfinished)),
        message_count=forgetting.message_count + removed_count,
    )
    transition.update_phone(forgetting=updated)


def _remove_unfinished(transition: Transition, forgetting: Forgetting) -> None:
    removed_count, unfinished = 0, list[str]()
    for request_id in forgetting.unfinished_ids:
        message = transition.get_message(request_id)
        if message is not None and message.state in OPEN_STATES:
            unfinished.append(request_id)
        elif message is not None:
            remainders.remove(transition, message)
            removed_count += 1
    updated = replace(
        forgetting,
        unfinished_ids=tuple(unfinished),
        message_count=forgetting.message_count + removed_count,
    )
    transition.update_phone(forgetting=updated)


def _is_over(transition: Transition, request_id: str) -> bool:
    message = transition.get_message(request_id)
    return message is None or message.state not in OPEN_STATES
