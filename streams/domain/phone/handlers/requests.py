"""A request arrives at its phone: accepted, rejected (full queue, unknown account or template), or a repeat.

A repeat has the id of a request that is still remembered. It is answered with the last status of that
request, and nothing is sent. A replay of the dead letter in which a request ended begins a new
generation of its message.
"""

from difflib import get_close_matches
from typing import Final

from msgspec.structs import replace

from streams.domain.accounts.routing import AccountCapacities, is_removed
from streams.domain.consent.state import is_opted_out
from streams.domain.errors import Error
from streams.domain.phone import forwarding, queue
from streams.domain.phone.effects import PublishDeadLetter, PublishStatus
from streams.domain.phone.events import BatchMember, RequestInfo, RequestReceived, ScheduleDue
from streams.domain.phone.handlers import changes, consent, remainders
from streams.domain.phone.scheduling.quiet import hold_back
from streams.domain.phone.state import DELIVERY_STATES, Message, State
from streams.domain.phone.transition import Transition

MAX_BATCHES: Final = 8  # of one message; the same message may be requested by several


def apply_request(
    transition: Transition, event: RequestReceived, accounts: AccountCapacities
) -> bool:
    """Accept, reject or recognise the request."""
    request_id = event.request.id
    existing = transition.get_message(request_id) or remainders.find(transition, request_id)
    if existing is not None and not _is_replay(existing, event.request):
        _answer_repeat(transition, event, existing)
    elif forwarding.forward_arrival(transition, event):
        pass
    elif changes.is_for_waiting(transition, event):
        _cancel_waiting(transition, event, existing)
    elif (error := _find_error(transition, event, accounts)) is not None:
        _reject_request(transition, event, existing, error)
    else:
        _accept_request(transition, event, existing)
    return True


def _answer_repeat(transition: Transition, event: RequestReceived, existing: Message) -> None:
    """The repeat may be a member of a batch: from now on, this batch counts the message, too."""
    if existing.forgotten_at_s:
        return remainders.answer_repeat(transition, existing, event.request.id)
    members = _merge_members(existing.members, event.request.members)
    if members != existing.members:
        existing = transition.put_message(replace(existing, members=members))
    if existing.last_status is not None:
        transition.emit(existing.last_status)


def _merge_members(
    members: tuple[BatchMember, ...], added: tuple[BatchMember, ...]
) -> tuple[BatchMember, ...]:
    """A message has one place in a batch, however often it occurs there; the oldest batches are forgotten."""
    batch_ids = {member.batch_id for member in members}
    new = tuple(member for member in added if member.batch_id not in batch_ids)
    return (*members, *new)[-MAX_BATCHES:]


def _find_error(
    transition: Transition, event: RequestReceived, accounts: AccountCapacities
) -> Error | None:
    """Why the request cannot be accepted; None: it can, or it was, under another number of this recipient."""
    request = event.request
    if event.refusal is not None:
        return event.refusal
    if (refusal := changes.find_refusal(transition, event)) is not None:
        return refusal
    if event.forwarding is not None and event.forwarding.is_accepted:
        return None
    if request.category == "marketing" and is_opted_out(transition.get_consent()):
        return consent.make_error(transition)
    if request.account is not None and not _may_name(request.account, accounts):
        return Error("unknown_account", _describe_unknown(request.account, accounts))
    waiting_count = transition.phone.waiting_count
    if waiting_count < transition.policy.max_queue:
        return None
    detail = f"{waiting_count} messages wait for this phone, the most it may have"
    return Error("queue_full", detail)


def _may_name(account: str, accounts: AccountCapacities) -> bool:
    return account in accounts and not is_removed(account, accounts)


def _describe_unknown(account: str, accounts: AccountCapacities) -> str:
    names = sorted(name for name in accounts if _may_name(name, accounts))
    nearest = get_close_matches(account, names, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"account: there is no account {account!r}{hint}"


def apply_schedule_due(transition: Transition, event: ScheduleDue) -> bool:
    """A scheduled message joins its queue; one that waits expires. The timer's clock may be ahead of this one."""
    message = transition.get_message(event.id)
    if message is None:
        return False
    if message.state is State.SCHEDULED:
        message = transition.dequeue(message)
        updated = replace(message, not_before_s=message.send_at_s, last_reason="")
        hold_back(transition, transition.enqueue(updated))
        return True
    return message.state is State.WAITING and _expire(transition, message)


def _expire(transition: Transition, message: Message) -> bool:
    """Also of a message that is not the first of its queue, which may wait for its account for days.

    A message with an attempt in doubt does not expire: that would say that nothing was sent.
    """
    if not message.expires_at_s or message.pinned_to is not None:
        return False
    if message.expires_at_s > transition.now_s:
        transition.put_message(replace(message, early_wakes=message.early_wakes + 1))
    else:
        transition.complete(message, State.EXPIRED, attempt=message.attempts)
    return True


def _is_replay(existing: Message, request: RequestInfo) -> bool:
    """Only the dead letter in which the message ended brings it back, and only once."""
    if not existing.dead_letter_id or request.replay_of != existing.dead_letter_id:
        return False
    return existing.state not in DELIVERY_STATES or request.allow_duplicate


def _accept_request(
    transition: Transition, event: RequestReceived, existing: Message | None
) -> Message:
    if event.request.replay_of is not None:  # no cached answer decides a replay
        transition.update_phone(chat=None)
    event = changes.complete(transition, event)
    message = _make_message(event, transition.offset, transition.append_s, existing)
    if event.forwarding is not None:
        transition.merge_send_times(event.forwarding.send_times_s)
    transition.store_payload(message.id)
    queue_position = queue.get_position(transition.phone, message)
    if message.send_at_s > transition.now_s and not transition.is_unwanted(message):
        transition.update_phone(scheduled_count=transition.phone.scheduled_count + 1)
        message = transition.put_message(replace(message, state=State.SCHEDULED))
    else:
        message = transition.enqueue(message)
    message = _publish_accepted(transition, message, queue_position)
    if transition.is_unwanted(message):  # it was accepted under another number of the recipient
        return consent.reject(transition, message)
    if message.state is not State.SCHEDULED:
        return hold_back(transition, message)
    return transition.publish_queued(message, "scheduled", message.send_at_s)


def _cancel_waiting(
    transition: Transition, event: RequestReceived, existing: Message | None
) -> None:
    """A revoke of a message that waits: nothing is sent for either."""
    changes.cancel_changed(transition, event)
    revoke = _accept_request(transition, event, existing)
    transition.complete(revoke, State.CANCELLED, attempt=revoke.attempts)


def _publish_accepted(transition: Transition, message: Message, queue_position: int) -> Message:
    """A message that was accepted under another number of this recipient is not accepted twice."""
    if message.forwarding is None or not message.forwarding.is_accepted:
        return transition.publish_status(message, "accepted", queue_position=queue_position)
    answer = PublishStatus(
        id=message.id,
        status="accepted",
        event_id_suffix=str(message.generation),
        at_s=transition.now_s,
        queue_position=queue_position,
    )
    return transition.put_message(replace(message, last_status=answer))


def _make_message(
    event: RequestReceived, offset: int, append_s: float, existing: Message | None
) -> Message:
    request, arrival = event.request, event.forwarding
    may_have_arrived = _may_have_arrived(request, existing)
    return Message(
        id=request.id,
        offset=offset,
        accepted_offset=existing.accepted_offset if existing else offset,
        priority=request.priority,
        category=request.category,
        generation=existing.generation + 1 if existing else 1,
        dispatches=existing.dispatches if existing else 0,
        queued_count=existing.queued_count if existing else 0,
        allow_duplicate=existing is not None and may_have_arrived,
        may_have_arrived=may_have_arrived,
        accepted_at_s=append_s,
        send_at_s=request.send_at_s,
        expires_at_s=request.expires_at_s,
        account=request.account,
        batch_id=request.batch_id,
        members=_merge_members(existing.members if existing else (), request.members),
        metadata=request.metadata,
        trace=request.trace,
        replay_of=request.replay_of,
        replay_count=request.replay_count,
        source_coordinates=event.source_record.coordinates,
        attempts=arrival.attempts if arrival else 0,
        first_failed_at_s=arrival.first_failed_at_s if arrival else 0.0,
        not_before_s=arrival.not_before_s if arrival else 0.0,
        forwarding=replace(arrival, send_times_s=()) if arrival else None,
        change=request.change,
    )


def _may_have_arrived(request: RequestInfo, existing: Message | None) -> bool:
    """Without a row, nothing but the person who insists tells it."""
    if existing is not None:
        return existing.may_have_arrived or existing.is_perhaps_shown
    return request.replay_of is not None and request.allow_duplicate


def _reject_request(
    transition: Transition, event: RequestReceived, existing: Message | None, error: Error
) -> PublishStatus:
    """No row is made for it, so a flood costs nothing. `existing`: it is a replay, and has a row."""
    coordinates = event.source_record.coordinates
    status = PublishStatus(
        id=event.request.id,
        status="rejected",
        event_id_suffix=coordinates,
        at_s=transition.append_s,
        error=error,
    )
    if existing is not None and not existing.forgotten_at_s:
        transition.put_message(replace(existing, dead_letter_id=coordinates, last_status=status))
    transition.emit(status)
    transition.emit(
        PublishDeadLetter(
            id=event.request.id,
            dead_letter_id=coordinates,
            error=error,
            attempts=0,
            first_failed_at_s=transition.append_s,
            last_failed_at_s=transition.append_s,
            outcome="unknown" if _may_have_arrived(event.request, existing) else "not_sent",
            replay_count=event.request.replay_count,
        )
    )
    return status
