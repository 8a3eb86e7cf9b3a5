"""A request arrives at its phone: accepted, rejected because the queue is full, or known already."""

from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.effects import Announce, Bury
from streams.domain.phone.events import Due, Order, Submitted
from streams.domain.phone.state import Message, State
from streams.domain.phone.transition import Fold


def submitted(fold: Fold, event: Submitted) -> bool:
    """A request: a repeat is answered with its last status, a replay of its dead letter starts anew."""
    known = fold.message(event.order.id)
    if known is not None and not _replays(known, event.order):
        if known.said is not None:
            fold.tell(known.said)
    elif fold.phone.waiting >= fold.rules.max_queue:
        _reject(fold, event, known)
    else:
        _accept(fold, event, known)
    return True


def due(fold: Fold, event: Due) -> bool:
    """A scheduled message joins its lane. The clock that said so may be ahead of this one."""
    message = fold.message(event.id)
    if message is None or message.state is not State.SCHEDULED:
        return False
    fold.pop(message)
    fold.push(replace(message, not_before_s=message.send_at_s, reason=""))
    return True


def _replays(known: Message, order: Order) -> bool:
    """Only the dead letter that the message ended in brings it back, and only once."""
    return bool(known.dead_letter) and order.replay_of == known.dead_letter


def _accept(fold: Fold, event: Submitted, known: Message | None) -> None:
    message = _message(event, fold.offset, known)
    fold.keep_payload(message.id)
    position = fold.position(message)
    if message.send_at_s > fold.now_s:
        fold.change(scheduled=fold.phone.scheduled + 1)
        message = fold.put(replace(message, state=State.SCHEDULED))
    else:
        message = fold.push(message)
    message = fold.announce(message, "accepted", queue_position=position)
    if message.state is State.SCHEDULED:
        fold.queued(message, "scheduled", message.send_at_s)


def _message(event: Submitted, offset: int, known: Message | None) -> Message:
    order = event.order
    return Message(
        id=order.id,
        offset=offset,
        priority=order.priority,
        category=order.category,
        life=known.life + 1 if known else 1,
        releases=known.releases if known else 0,
        queued=known.queued if known else 0,
        again=known is not None and known.state is State.UNKNOWN,
        send_at_s=order.send_at_s,
        expires_at_s=order.expires_at_s,
        account=order.account,
        batch_id=order.batch_id,
        metadata=order.metadata,
        trace=order.trace,
        replay_count=order.replay_count,
        place=event.record.place,
    )


def _reject(fold: Fold, event: Submitted, known: Message | None) -> None:
    """No row is made for it, so that a flood costs nothing; a known message is a replayed one."""
    place = event.record.place
    waiting = fold.phone.waiting
    error = Error("queue_full", f"{waiting} messages wait for this phone, the most it may have")
    said = Announce(id=event.order.id, status="rejected", n=place, at_s=fold.now_s, error=error)
    if known is not None:
        fold.put(replace(known, dead_letter=place, said=said))
    fold.tell(said)
    fold.tell(
        Bury(
            id=event.order.id,
            dead_letter=place,
            error=error,
            attempts=0,
            first_failed_at_s=fold.now_s,
            last_failed_at_s=fold.now_s,
            replay_count=event.order.replay_count,
        )
    )
