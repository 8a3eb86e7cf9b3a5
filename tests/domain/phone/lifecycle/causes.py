"""Brings the message `a` into a state, and lets an event change it. Tests nothing itself."""

from typing import Any

from streams.domain.phone import events
from streams.domain.phone.events import (
    CancelRequested,
    Event,
    FlightOverdue,
    ForgetContinued,
    ForgetRequested,
    InboundSeen,
    Outcome,
    ReceiptSeen,
    RequestReceived,
    RetentionElapsed,
    ScheduleDue,
)
from streams.domain.phone.handlers import forgetting
from streams.domain.phone.lifecycle import Absent, Stage
from streams.domain.phone.state import DELIVERY_STATES, State
from streams.testing.phone_world import PHONE, PhoneWorld
from tests.domain.phone.lifecycle.events_by_type import EVENTS, IN_DOUBT, NAMES, RESULTS


def give_receipt(world: PhoneWorld, receipt: Any) -> None:
    world.apply(ReceiptSeen(phone=PHONE, id="a", receipt=receipt, at_s=world.now_s, **NAMES))


def bring_to(world: PhoneWorld, state: Stage) -> None:
    """Bring the message `a` into this state, by events alone."""
    match state:
        case Absent.NEW | Absent.REMOVED:
            return
        case State.SCHEDULED:
            world.submit("a", category="marketing", send_at_s=world.now_s + 100)
        case State.WAITING:
            world.accounts = {}
            world.submit("a", category="marketing", expires_at_s=world.now_s + 50)
        case State.DISPATCHED:
            world.submit("a")
        case State.EXPIRED:
            bring_to(world, State.WAITING)
            world.now_s += 50
            world.fire_timer()
        case State.CANCELLED:
            bring_to(world, State.WAITING)
            world.apply(EVENTS[CancelRequested])
        case State.REJECTED:
            bring_to(world, State.WAITING)
            world.apply(EVENTS[InboundSeen])
        case State.SENT | State.FAILED | State.UNKNOWN:
            world.submit("a")
            world.conclude(RESULTS[state])
        case State.DELIVERED | State.READ | State.PLAYED:
            bring_to(world, State.SENT)
            give_receipt(world, state.value)
    assert world.messages["a"].state is state


def schedule_replay(world: PhoneWorld) -> None:
    """Schedule the message `a` again, after nothing could tell whether it was sent."""
    bring_to(world, State.UNKNOWN)
    replay_of = world.messages["a"].dead_letter_id
    send_at_s = world.now_s + 100
    world.submit("a", category="marketing", replay_of=replay_of, send_at_s=send_at_s)


def cause(world: PhoneWorld, event: type[Event], before: Stage, after: Stage) -> None:
    """From the state before, let an event of this type bring about the state after."""
    if event in (FlightOverdue, ForgetContinued):
        cause_by = cause_by_silence if event is FlightOverdue else cause_by_forgetting
        return cause_by(world, before, after)
    if event is Outcome and before is State.SENT:
        bring_to(world, State.DISPATCHED)
        give_receipt(world, after.value)
        world.conclude(RESULTS[State.SENT])
        return
    if event is Outcome and before in (State.WAITING, State.UNKNOWN):
        cause_by_late_outcome(world, before)
        return
    bring_before(world, event, before, after)
    if event is RequestReceived:
        request(world, before, after)
    elif event is Outcome:
        assert isinstance(after, State)
        world.conclude(RESULTS[after])
    elif event is ReceiptSeen:
        give_receipt(world, after.value)
    elif event is ScheduleDue:
        world.now_s += 100
        world.apply(EVENTS[ScheduleDue])
    else:
        world.now_s += world.policy.idempotency_window_s if event is RetentionElapsed else 0.0
        world.apply(EVENTS[event])


def bring_before(world: PhoneWorld, event: type[Event], before: Stage, after: Stage) -> None:
    """Bring the message `a` into the state before, in a way that lets the event change it so."""
    if event is ReceiptSeen and before is State.WAITING:
        bring_to(world, State.DISPATCHED)
        world.conclude(IN_DOUBT)
    elif event is RequestReceived and before in DELIVERY_STATES:
        bring_to(world, State.UNKNOWN)
        give_receipt(world, before.value)
    elif before is State.SCHEDULED and after is State.UNKNOWN:
        schedule_replay(world)
    else:
        bring_to(world, before)


def request(world: PhoneWorld, before: Stage, after: Stage) -> None:
    """The message is requested, again or for the first time; or it is revoked."""
    if after in (State.CANCELLED, State.UNKNOWN):
        world.submit("r", change=events.MessageChange(kind="revoke", changed_id="a"))
        return
    existing = world.messages.get("a")
    replay_of = existing.dead_letter_id if existing else None
    send_at_s = world.now_s + 100 if after is State.SCHEDULED else 0.0
    is_forced = before in DELIVERY_STATES
    world.submit("a", replay_of=replay_of, allow_duplicate=is_forced, send_at_s=send_at_s)


def cause_by_forgetting(world: PhoneWorld, before: Stage, after: Stage) -> None:
    """Of a message that was removed, a remainder is stored. One event does not cancel everything that waits."""
    is_replay = before is State.SCHEDULED and after is State.UNKNOWN
    if is_replay:
        schedule_replay(world)
    if is_replay or (before is not Absent.NEW and after is State.CANCELLED):
        world.accounts = {}
        for index in range(forgetting.MAX_PER_EVENT):
            world.submit(f"0{index}")
    if not is_replay:
        bring_to(world, after if before is Absent.NEW else before)
    world.apply(EVENTS[ForgetRequested])
    world.apply(EVENTS[ForgetContinued])


def cause_by_late_outcome(world: PhoneWorld, before: Stage) -> None:
    """The dispatch has an outcome already."""
    bring_to(world, State.DISPATCHED)
    world.conclude(IN_DOUBT if before is State.WAITING else RESULTS[State.UNKNOWN])
    world.apply(EVENTS[Outcome])


def cause_by_silence(world: PhoneWorld, _before: Stage, after: Stage) -> None:
    """No sender answers a dispatch."""
    bring_to(world, State.DISPATCHED)
    if after is not State.UNKNOWN:
        give_receipt(world, after.value)
    world.report_overdue()
    world.now_s += world.policy.unknown_after_s
    world.apply(EVENTS[FlightOverdue])
