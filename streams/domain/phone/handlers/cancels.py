"""A caller withdraws messages: one by its id, or all that wait. What may have been sent is never cancelled.

    the message is                   a cancel of this message       its batch is cancelled
    ------------------------------   ----------------------------   ----------------------------------------
    scheduled, or waits              it is cancelled                it is cancelled
    in flight, or in doubt           `too_late_to_cancel`           it is cancelled if it comes back unsent
    cancelled                        its status is repeated         nothing
    sent, failed, expired, unknown   `too_late_to_cancel`           nothing
    not in the rows                  `unknown_request`              nothing

Of a replay, an earlier generation may have arrived: then the message ends as unknown instead (transition.py).
The answers are given under the id of the cancel, never under that of the message. At an alias, a cancel goes on to
the number to which messages are forwarded.
"""

from typing import Final

from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.effects import ForwardCancel, PublishDeadLetter, PublishStatus
from streams.domain.phone.events import CancelRequested
from streams.domain.phone.state import Message, State
from streams.domain.phone.transition import Transition

MAX_CANCELLED_PER_EVENT: Final = (
    50  # each with its row in the journal; the rest with the next event
)
MAX_HOPS: Final = 4
# A record of a cancel may be read twice after a crash. More than these between the two are not expected.
MAX_REMEMBERED: Final = 32

_UNKNOWN: Final = "there is no message that could be cancelled"
_TOO_LATE: Final = "the message was sent, is being sent, or has ended otherwise"


def apply_cancel(transition: Transition, event: CancelRequested) -> bool:
    """Cancel what can be cancelled; else say why nothing is."""
    if not _remember(transition, event):
        return False
    if event.id is None:
        return _cancel_waiting(transition, event)
    message = transition.get_message(event.id)
    if message is None:
        return _forward(transition, event) or _reject(transition, event, "unknown_request")
    return _cancel_message(transition, event, message)


def cancel_withdrawn(transition: Transition) -> None:
    """A message whose batch was cancelled while a sender had it has come back unsent."""
    for head in transition.get_heads():
        if head.is_withdrawn and is_cancellable(head):
            transition.complete(head, State.CANCELLED, attempt=head.attempts)


def _remember(transition: Transition, event: CancelRequested) -> bool:
    """Whether the cancel is new: the second time, it would find nothing and say so."""
    record, recent = event.source_record, transition.phone.recent_cancels
    if record is None or event.is_continued:
        return True
    if record.coordinates in recent:
        return False
    transition.update_phone(recent_cancels=(*recent, record.coordinates)[-MAX_REMEMBERED:])
    return True


def is_cancellable(message: Message) -> bool:
    """Whether it certainly was not sent, and nobody sends it now."""
    if message.state is State.WAITING:
        return message.pinned_to is None
    return message.state is State.SCHEDULED


def _cancel_message(transition: Transition, event: CancelRequested, message: Message) -> bool:
    if is_cancellable(message):
        transition.complete(message, State.CANCELLED, attempt=message.attempts)
        return True
    if event.source_record is None:
        return _withdraw(transition, message)
    if message.state is State.CANCELLED and message.last_status is not None:
        transition.emit(message.last_status)
        return True
    return _reject(transition, event, "too_late_to_cancel")


def _withdraw(transition: Transition, message: Message) -> bool:
    """In flight or in doubt: it is cancelled if it turns out that it was not sent."""
    if message.is_withdrawn or message.state not in (State.WAITING, State.DISPATCHED):
        return False
    transition.put_message(replace(message, is_withdrawn=True))
    return True


def _cancel_waiting(transition: Transition, event: CancelRequested) -> bool:
    """Everything that was accepted before the cancel, a slice at a time."""
    before_offset = event.before_offset if event.before_offset >= 0 else transition.offset
    cancelled_count = 0
    for request_id in transition.list_waiting_ids():
        message = transition.get_message(request_id)
        if message is None or message.offset >= before_offset or not is_cancellable(message):
            continue
        if cancelled_count == MAX_CANCELLED_PER_EVENT:
            rest = replace(event, before_offset=before_offset, is_continued=True)
            transition.emit(ForwardCancel(event=rest))
            return True
        transition.complete(message, State.CANCELLED, attempt=message.attempts)
        cancelled_count += 1
    is_continued = event.is_continued or cancelled_count > 0
    if _forward(transition, replace(event, is_continued=is_continued)) or is_continued:
        return True
    is_anything_left = transition.phone.waiting_count > 0 or transition.phone.in_flight is not None
    return _reject(
        transition, event, "too_late_to_cancel" if is_anything_left else "unknown_request"
    )


def _forward(transition: Transition, event: CancelRequested) -> bool:
    """The messages of an alias are at another number; False: this row is not an alias."""
    alias = transition.phone.alias
    if alias is None or event.hops >= MAX_HOPS:
        return False
    forwarded = replace(event, phone=alias.phone, before_offset=-1, hops=event.hops + 1)
    transition.emit(ForwardCancel(event=forwarded))
    return True


def _reject(transition: Transition, event: CancelRequested, code: str) -> bool:
    """Answer the cancel itself. An id that a message has as well would give that message a status."""
    record = event.source_record
    if record is None:
        return False
    is_taken = transition.get_message(event.cancel_id) is not None
    answer_id = record.coordinates if is_taken or not event.cancel_id else event.cancel_id
    error = Error(code, _UNKNOWN if code == "unknown_request" else _TOO_LATE)
    transition.emit(
        PublishStatus(
            id=answer_id,
            status="rejected",
            event_id_suffix=record.coordinates,
            at_s=transition.append_s,
            error=error,
        )
    )
    transition.emit(
        PublishDeadLetter(
            id=answer_id,
            dead_letter_id=record.coordinates,
            error=error,
            attempts=0,
            first_failed_at_s=transition.append_s,
            last_failed_at_s=transition.append_s,
        )
    )
    return True
