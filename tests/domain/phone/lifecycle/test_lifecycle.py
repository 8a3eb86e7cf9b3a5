"""The life of a message: every legal change happens in some run, and every other one changes nothing."""

from copy import deepcopy

import pytest
from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone import lifecycle
from streams.domain.phone import step as step_module
from streams.domain.phone.events import (
    CancelRequested,
    Event,
    Failed,
    InboundSeen,
    Moved,
    Outcome,
    TimerFired,
)
from streams.domain.phone.lifecycle import (
    DISPATCH_TRANSITIONS,
    TRANSITIONS,
    Absent,
    IllegalTransition,
    Stage,
    is_legal,
)
from streams.domain.phone.state import Message, State
from streams.domain.phone.transition import Transition
from streams.testing.phone_world import PHONE, READY, PhoneWorld
from tests.domain.phone.lifecycle.causes import bring_to, cause
from tests.domain.phone.lifecycle.events_by_type import EVENTS, IN_DOUBT, RESULTS

Change = tuple[type[Event], Stage, Stage]

BEFORE: list[Stage] = [Absent.NEW, *State]
AFTER: list[Stage] = [*State, Absent.REMOVED]
LISTED: list[Change] = [
    (event, before, after)
    for event, changes in TRANSITIONS.items()
    for before, allowed in changes.items()
    for after in sorted(allowed)
]
ILLEGAL: list[Change] = [
    (event, before, after)
    for event in TRANSITIONS
    for before in BEFORE
    for after in AFTER
    if not is_legal(event, before, after)
]


def name(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld()


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> set[Change]:
    """Every change that was stored during the test."""
    changes: set[Change] = set()
    check = lifecycle.check

    def check_and_record(event: type[Event], before: Stage, after: Stage) -> None:
        check(event, before, after)
        changes.add((event, before, after))

    monkeypatch.setattr(lifecycle, "check", check_and_record)
    return changes


@pytest.mark.parametrize(("event", "before", "after"), LISTED, ids=name)
def test_every_entry_of_the_table_is_reached(
    world: PhoneWorld, checked: set[Change], event: type[Event], before: Stage, after: Stage
) -> None:
    """Each entry of the table is caused by some event."""
    cause(world, event, before, after)
    assert (event, before, after) in checked


def test_a_waiting_message_is_dispatched(world: PhoneWorld, checked: set[Change]) -> None:
    """Any event may cause this; in this test it is the timer, once there is an account."""
    bring_to(world, State.WAITING)
    world.accounts = READY
    world.fire_timer()
    assert (TimerFired, State.WAITING, State.DISPATCHED) in checked


def test_a_waiting_message_expires(world: PhoneWorld, checked: set[Change]) -> None:
    """Its time has passed before it could be dispatched."""
    bring_to(world, State.EXPIRED)
    assert (TimerFired, State.WAITING, State.EXPIRED) in checked


def test_a_waiting_message_fails(world: PhoneWorld, checked: set[Change]) -> None:
    """The message before it has shown that the number is not on WhatsApp."""
    world.submit("first")
    world.submit("a")
    world.conclude(Failed(error=Error("recipient_not_on_whatsapp")))
    assert (Outcome, State.WAITING, State.FAILED) in checked


def test_a_waiting_message_becomes_unknown(world: PhoneWorld, checked: set[Change]) -> None:
    """Its attempt in doubt could not be reconciled in time."""
    world.submit("a")
    world.conclude(IN_DOUBT)
    world.accounts = {}
    world.now_s += world.policy.unknown_after_s
    world.fire_timer()
    assert (TimerFired, State.WAITING, State.UNKNOWN) in checked


def test_a_waiting_message_is_forwarded(world: PhoneWorld, checked: set[Change]) -> None:
    """WhatsApp's chat of its recipient has another number."""
    world.submit("a")
    world.conclude(Moved(phone="+60111111111"))
    assert (Outcome, State.WAITING, Absent.FORWARDED) in checked


def test_a_waiting_message_is_cancelled(world: PhoneWorld, checked: set[Change]) -> None:
    """Its batch was cancelled while a sender had it, and it has come back unsent."""
    world.submit("a")
    world.apply(CancelRequested(phone=PHONE, id="a"))
    world.conclude(RESULTS[State.WAITING])
    assert (Outcome, State.WAITING, State.CANCELLED) in checked


def test_a_waiting_message_is_rejected(world: PhoneWorld, checked: set[Change]) -> None:
    """Its recipient has opted out while a sender had it, and it has come back unsent."""
    world.submit("a", category="marketing")
    world.apply(EVENTS[InboundSeen])
    world.conclude(RESULTS[State.WAITING])
    assert (Outcome, State.WAITING, State.REJECTED) in checked


def test_every_dispatch_transition_has_its_test() -> None:
    """The seven tests above cover all of these transitions."""
    states = {State.DISPATCHED, State.EXPIRED, State.CANCELLED, State.FAILED, State.REJECTED}
    after_waiting = states | {State.UNKNOWN, Absent.FORWARDED}
    assert {State.WAITING: after_waiting} == DISPATCH_TRANSITIONS


@pytest.mark.parametrize("event", TRANSITIONS, ids=name)
@pytest.mark.parametrize("state", State)
def test_a_state_may_follow_itself(event: type[Event], state: State) -> None:
    """A row may change without a change of its state."""
    assert is_legal(event, state, state)


@pytest.mark.parametrize(("event", "before", "after"), ILLEGAL, ids=name)
def test_an_illegal_change_changes_nothing(
    world: PhoneWorld,
    monkeypatch: pytest.MonkeyPatch,
    event: type[Event],
    before: Stage,
    after: Stage,
) -> None:
    """Whatever a handler tries, `step` returns the name of the change and no row."""

    def hostile_handler(transition: Transition, event: Event, _accounts: object) -> bool:
        message = transition.get_message("a") or Message(id="a", offset=1)
        if isinstance(after, State):
            transition.put_message(replace(message, state=after))
        else:
            transition.remove_message(message)
        return True

    bring_to(world, before)
    monkeypatch.setattr(step_module, "_apply", hostile_handler)
    stored = deepcopy((world.row, world.messages, world.slots, world.payloads, world.effects))
    assert world.step(EVENTS[event]) == IllegalTransition(event.__name__, before, after)
    assert (world.row, world.messages, world.slots, world.payloads, world.effects) == stored
