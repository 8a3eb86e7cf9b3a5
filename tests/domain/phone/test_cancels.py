"""Cancelling: what is withdrawn, what can no longer be, and how the cancel itself is answered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import (
    Effect,
    ForwardCancel,
    PublishDeadLetter,
    PublishStatus,
)
from streams.domain.phone.events import (
    CancelRequested,
    Deferred,
    Failed,
    Moved,
    Priority,
    Result,
    Sent,
    SourceRecord,
)
from streams.domain.phone.handlers.cancels import MAX_CANCELLED_PER_EVENT
from streams.domain.phone.state import State
from streams.domain.phone.values.queue_rows import PRIORITIES
from streams.domain.policy import Policy
from streams.domain.quiet_hours import parse_quiet_hours
from streams.testing.phone_world import PHONE, PhoneWorld

OTHER = "+60111111111"
SENT = Sent(at_s=1_000_000.0)
# It is quarter to ten in the evening for this recipient.
AT_NIGHT = Policy(max_queue=500, quiet_hours=parse_quiet_hours("21:00-08:00"))
IN_DOUBT = Deferred(error=Error("attempt_in_doubt"), in_doubt=True)


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld(policy=Policy(max_queue=500))


def make_cancel(request_id: str | None = None, offset: int = 900) -> CancelRequested:
    record = SourceRecord(topic="wa.outbound", partition=0, offset=offset, value=b"{}")
    return CancelRequested(phone=PHONE, id=request_id, cancel_id="c-1", source_record=record)


def cancel_all(world: PhoneWorld) -> None:
    """Every slice of a cancel of all that waits."""
    event: CancelRequested | None = make_cancel()
    while event is not None:
        effects = world.apply(event)
        event = next((e.event for e in effects if isinstance(e, ForwardCancel)), None)


def rejections(effects: list[Effect]) -> list[tuple[str, str]]:
    """Id and code of each rejection; each has its dead letter."""
    rejected = [e for e in effects if isinstance(e, PublishStatus) and e.status == "rejected"]
    letters = [e for e in effects if isinstance(e, PublishDeadLetter)]
    assert [e.id for e in rejected] == [e.id for e in letters]
    return [(e.id, e.error.code) for e in rejected if e.error]


def test_a_waiting_message_is_cancelled(world: PhoneWorld) -> None:
    """It leaves its queue with its payload, and the message behind it keeps its place."""
    for request_id in "abc":
        world.submit(request_id)
    effects = world.apply(make_cancel("b"))
    assert [e.status for e in effects if isinstance(e, PublishStatus)] == ["cancelled"]
    assert "b" not in world.payloads
    world.conclude(SENT)
    world.conclude(SENT)
    assert world.dispatched_ids() == ["a", "c"]


def test_a_scheduled_message_is_cancelled_at_once(world: PhoneWorld) -> None:
    """Its caller does not wait for its time."""
    world.submit("a", send_at_s=world.now_s + 86_400)
    world.apply(make_cancel("a"))
    assert world.statuses("a")[-1] == "cancelled"
    assert world.row is not None
    assert world.row.waiting_count == 0


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ([], State.DISPATCHED),
        ([IN_DOUBT], State.WAITING),
        ([SENT], State.SENT),
        ([Failed(error=Error("media_rejected"))], State.FAILED),
    ],
    ids=["is being sent", "is in doubt", "was sent", "has failed"],
)
def test_too_late(world: PhoneWorld, results: list[Result], state: State) -> None:
    """The cancel is answered under its own id; nothing is said of the message."""
    world.submit("a")
    if results == [IN_DOUBT]:
        world.accounts = {}
    for result in results:
        world.conclude(result)
    before = world.statuses("a")
    assert rejections(world.apply(make_cancel("a"))) == [("c-1", "too_late_to_cancel")]
    assert world.statuses("a") == before
    assert world.messages["a"].state is state


def test_what_was_never_requested(world: PhoneWorld) -> None:
    """One message, or anything at all: there is nothing to cancel."""
    assert rejections(world.apply(make_cancel("a"))) == [("c-1", "unknown_request")]
    assert rejections(world.apply(make_cancel(None, 901))) == [("c-1", "unknown_request")]


def test_a_cancel_never_gives_a_message_a_status(world: PhoneWorld) -> None:
    """A caller may reuse the id of a message for the cancel: the answer gets another id."""
    world.submit("c-1")
    (rejection,) = rejections(world.apply(make_cancel("unheard-of")))
    assert rejection == ("wa.outbound:0:900", "unknown_request")


def test_a_cancel_that_is_read_twice_is_answered_once(world: PhoneWorld) -> None:
    """After a crash of intake, the second one would find nothing to cancel, and say so."""
    world.accounts = {}
    world.submit("a")
    for _ in range(2):
        world.apply(make_cancel())
    assert rejections(world.effects) == []
    assert world.statuses("a").count("cancelled") == 1


def test_a_second_cancel_repeats_the_status(world: PhoneWorld) -> None:
    """Another record that cancels the same message is answered with the same fact."""
    world.accounts = {}
    world.submit("a")
    first = world.apply(make_cancel("a", 900))
    assert world.apply(make_cancel("a", 901)) == first


def test_everything_that_waits_is_cancelled_in_slices(world: PhoneWorld) -> None:
    """Also behind a message in flight, scheduled or pinned; what comes later is not cancelled."""
    for number in range(130):
        world.submit(f"m{number:03}", send_at_s=world.now_s + 500 if number % 3 == 1 else 0.0)
    event: CancelRequested | None = make_cancel()
    slice_count = 0
    while event is not None:
        effects = world.apply(event)
        if slice_count == 0:
            world.submit("late")
        slice_count += 1
        event = next((e.event for e in effects if isinstance(e, ForwardCancel)), None)
    assert slice_count == -(-129 // MAX_CANCELLED_PER_EVENT)
    states = {m.id: m.state for m in world.messages.values()}
    assert states.pop("m000") is State.DISPATCHED
    assert states.pop("late") is State.WAITING
    assert set(states.values()) == {State.CANCELLED}
    assert rejections(world.effects) == []


def test_only_a_message_in_flight_is_too_late(world: PhoneWorld) -> None:
    """There is a message, and it is not cancelled."""
    world.submit("a")
    assert rejections(world.apply(make_cancel())) == [("c-1", "too_late_to_cancel")]


@pytest.mark.parametrize(
    ("result", "last"),
    [
        (Deferred(error=Error("disconnected")), "cancelled"),
        (Failed(error=Error("server_error")), "cancelled"),
        (Moved(phone=OTHER), "cancelled"),
        (SENT, "sent"),
    ],
    ids=["handed back", "to be retried", "moved", "sent"],
)
def test_a_batch_is_cancelled_while_its_member_is_in_flight(
    world: PhoneWorld, result: Result, last: str
) -> None:
    """The member is cancelled as soon as it is certain that it was not sent, and nobody is answered."""
    world.submit("a")
    world.apply(CancelRequested(phone=PHONE, id="a"))
    world.conclude(result)
    assert world.statuses("a")[-1] == last
    assert world.dispatched_ids() == ["a"]
    assert rejections(world.effects) == []


def test_a_cancel_follows_its_message_to_the_number_of_the_chat(world: PhoneWorld) -> None:
    """At an alias, nothing is left to cancel: the number of the chat answers."""
    world.submit("a")
    world.conclude(Moved(phone=OTHER))
    (forward,) = world.apply(make_cancel("a"))
    assert isinstance(forward, ForwardCancel)
    assert (forward.event.phone, forward.event.id, forward.event.hops) == (OTHER, "a", 1)
    other = PhoneWorld(phone=OTHER)
    other.submit("first")
    other.submit("a")
    other.apply(forward.event)
    assert other.statuses("a")[-1] == "cancelled"


messages = st.lists(
    st.tuples(
        st.sampled_from(PRIORITIES),
        st.sampled_from(["transactional", "marketing"]),
        st.sampled_from([None, "main"]),
        st.sampled_from([0.0, 500.0]),
    ),
    min_size=1,
    max_size=60,
)


@given(
    requested=messages,
    policy=st.sampled_from([Policy(max_queue=500), AT_NIGHT]),
    is_each=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_no_queue_is_left_out(
    requested: list[tuple[Priority, str, str | None, float]], policy: Policy, *, is_each: bool
) -> None:
    """Any priority, category and account, held back by quiet hours or not, at once or one by one."""
    world = PhoneWorld(policy=policy, accounts={"main": Capacity(is_ready=False, free_slots=0)})
    for number, (priority, category, account, wait_s) in enumerate(requested):
        send_at_s = world.now_s + wait_s if wait_s else 0.0
        fields = {"category": category, "account": account, "send_at_s": send_at_s}
        world.submit(f"m{number}", priority, **fields)
    if is_each:
        for number, request_id in enumerate(reversed(list(world.messages))):
            world.apply(make_cancel(request_id, 900 + number))
    else:
        cancel_all(world)
    assert {m.state for m in world.messages.values()} == {State.CANCELLED}
    assert all(world.statuses(request_id)[-1] == "cancelled" for request_id in world.messages)
    assert rejections(world.effects) == []
    assert world.payloads == set()
    assert world.row is not None
    assert (world.row.queues, world.row.waiting_count) == ({}, 0)
    assert (world.row.timer_at_s, world.row.waits, world.row.quiet_until_s) == (0.0, (), 0.0)


def test_a_message_that_quiet_hours_hold_back_is_never_sent_after_its_cancel() -> None:
    """Its neighbour in the same queue goes in the morning."""
    world = PhoneWorld(policy=AT_NIGHT)
    for request_id in "ab":
        world.submit(request_id, category="marketing")
    world.apply(make_cancel("a"))
    assert world.statuses("a") == ["accepted", "queued", "cancelled"]
    world.wait_for_timer()
    assert world.dispatched_ids() == ["b"]


@pytest.mark.parametrize("live_s", [0.0, 7200.0], ids=["lives", "expires in the night"])
def test_a_withdrawn_member_comes_back_in_quiet_hours(live_s: float) -> None:
    """It does not wait for the morning, and does not end as expired: its batch was cancelled before."""
    world = PhoneWorld(policy=AT_NIGHT, now_s=1_000_000.0 - 3600)  # before the quiet hours
    world.submit("a", category="marketing", expires_at_s=world.now_s + live_s if live_s else 0.0)
    world.apply(CancelRequested(phone=PHONE, id="a"))
    world.now_s += 3600
    world.conclude(Deferred(error=Error("deadline_exceeded")))
    assert world.statuses("a")[-1] == "cancelled"
    assert world.dispatched_ids() == ["a"]
