"""A message in doubt, and one given up as unknown: a late ack or a receipt proves that it was sent."""

import pytest
from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, PublishStatus
from streams.domain.phone.events import (
    Deferred,
    Failed,
    OutcomeUnknown,
    ReceiptKind,
    ReceiptSeen,
    Result,
    Sent,
)
from streams.domain.phone.handlers.receipts import contradicts_status
from streams.domain.phone.state import State
from streams.domain.policy import Policy
from streams.testing.phone_world import PHONE, PhoneWorld

IN_DOUBT = Deferred(error=Error("attempt_in_doubt"), in_doubt=True)
UNKNOWN = OutcomeUnknown(at_s=1_000_000.0, error=Error("outcome_unknown"))
KINDS: tuple[ReceiptKind, ...] = ("sent", "delivered", "read", "played")


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld()


def give_receipt(world: PhoneWorld, receipt: ReceiptKind, request_id: str = "a") -> None:
    """The sender reports a receipt, ten seconds later."""
    world.now_s += 10
    world.apply(
        ReceiptSeen(
            phone=PHONE,
            id=request_id,
            account="main",
            whatsapp_id="3EB0",
            receipt=receipt,
            at_s=world.now_s - 1,
        )
    )


def send_times(world: PhoneWorld) -> tuple[float, ...]:
    """What counts against the limit."""
    assert world.row is not None
    return world.row.send_times_s


def test_the_sender_learns_that_it_has_claimed_the_message(world: PhoneWorld) -> None:
    """A claim that it does not find then was lost: nothing is submitted."""
    world.submit("a")
    world.conclude(IN_DOUBT)
    world.wait_for_timer()
    dispatches = [effect for effect in world.effects if isinstance(effect, Dispatch)]
    assert [dispatch.was_claimed for dispatch in dispatches] == [False, True]
    assert world.row is not None
    assert world.row.in_flight is not None
    assert world.row.in_flight.is_in_doubt


@pytest.mark.parametrize(
    ("are_unread", "is_claimed"),
    [((False,), True), ((True,), False), ((True, False), True), ((False, True), True)],
    ids=str,
)
def test_whether_the_sender_has_claimed_it_before(
    world: PhoneWorld, are_unread: tuple[bool, ...], *, is_claimed: bool
) -> None:
    """Claims that could not be read say nothing: if the sender has none, it may submit. What one said before stays."""
    world.submit("a")
    for is_unread in are_unread:
        world.conclude(replace(IN_DOUBT, is_unread=is_unread))
        world.wait_for_timer()
    dispatches = [effect for effect in world.effects if isinstance(effect, Dispatch)]
    assert dispatches[-1].was_claimed == is_claimed


@pytest.mark.parametrize("receipt", KINDS)
def test_a_receipt_ends_the_doubt(world: PhoneWorld, receipt: ReceiptKind) -> None:
    """The message is sent, the next one goes, and it counts once, with a time after its arrival."""
    world.submit("a")
    world.submit("b")
    world.conclude(IN_DOUBT)
    give_receipt(world, receipt)
    later = [] if receipt == "sent" else [receipt]
    assert world.statuses("a") == ["accepted", "queued", "sent", *later]
    assert world.dispatched_ids() == ["a", "b"]
    assert send_times(world) == (world.now_s,)
    assert world.messages["a"].pinned_to is None
    assert world.payloads == {"b"}
    give_receipt(world, receipt)
    assert world.statuses("a") == ["accepted", "queued", "sent", *later]


@pytest.mark.parametrize(
    "result", [IN_DOUBT, UNKNOWN, Failed(error=Error("server_error")), Deferred(error=Error("disconnected"))]
)  # fmt: skip
def test_a_receipt_wins_over_the_outcome(world: PhoneWorld, result: Result) -> None:
    """The message was dispatched again to be looked for, and its receipt comes before the outcome."""
    world.submit("a")
    world.conclude(IN_DOUBT)
    world.wait_for_timer()
    assert world.dispatched_ids() == ["a", "a"]
    give_receipt(world, "delivered")
    assert world.statuses("a") == ["accepted", "queued"]
    world.conclude(result)
    assert world.statuses("a") == ["accepted", "queued", "sent", "delivered"]
    assert world.dead_letters() == []
    assert send_times(world) == (world.now_s,)


def test_an_early_ack_is_published_once(world: PhoneWorld) -> None:
    """The ack and the outcome say the same."""
    world.submit("a")
    give_receipt(world, "sent")
    world.conclude(Sent(at_s=world.now_s))
    give_receipt(world, "sent")
    assert world.statuses("a") == ["accepted", "sent"]


@pytest.mark.parametrize("receipt", KINDS)
def test_a_receipt_follows_unknown(world: PhoneWorld, receipt: ReceiptKind) -> None:
    """It is the only thing that may follow a final status, and it counts when it is proved: it may have come since."""
    world.submit("a")
    world.conclude(UNKNOWN)
    give_receipt(world, receipt)
    give_receipt(world, "read")
    assert world.statuses("a")[:3] == ["accepted", "unknown", "sent"]
    assert world.statuses("a")[-1] == ("played" if receipt == "played" else "read")
    assert send_times(world) == (UNKNOWN.at_s, UNKNOWN.at_s + 10)
    assert len(world.dead_letters()) == 1
    statuses = [effect for effect in world.effects if isinstance(effect, PublishStatus)]
    assert {status.attempt for status in statuses[1:]} == {1}
    assert len({(status.status, status.event_id_suffix) for status in statuses}) == len(statuses)


def test_a_message_given_up_by_time_may_still_be_proved(world: PhoneWorld) -> None:
    """It stayed in doubt for an hour; the ack came afterwards."""
    world.submit("a")
    world.conclude(IN_DOUBT)
    world.accounts = {}
    world.now_s += world.policy.unknown_after_s
    world.wait_for_timer()
    give_receipt(world, "sent")
    assert world.statuses("a") == ["accepted", "queued", "unknown", "sent"]


def test_the_dead_letter_of_a_proved_message_is_a_repeat(world: PhoneWorld) -> None:
    """Its replay is answered with the status and sends nothing, unless a person insists."""
    world.submit("a")
    world.conclude(UNKNOWN)
    give_receipt(world, "delivered")
    dead_letter_id = world.dead_letters()[0].dead_letter_id
    [answer] = world.submit("a", replay_of=dead_letter_id, replay_count=1)
    assert isinstance(answer, PublishStatus)
    assert answer.status == "delivered"
    assert world.dispatched_ids() == ["a"]
    world.submit("a", replay_of=dead_letter_id, replay_count=1, allow_duplicate=True)
    dispatch = world.effects[-1]
    assert isinstance(dispatch, Dispatch)
    assert dispatch.allow_duplicate
    world.submit("a", replay_of=dead_letter_id, replay_count=1, allow_duplicate=True)
    assert world.dispatched_ids() == ["a", "a"]


def test_a_replay_that_waits_is_proved_too(world: PhoneWorld) -> None:
    """The receipt of the first attempt comes while the replay of its dead letter waits."""
    world.submit("a")
    world.conclude(UNKNOWN)
    world.accounts = {}
    world.submit("a", replay_of=world.dead_letters()[0].dead_letter_id)
    give_receipt(world, "delivered")
    assert world.statuses("a")[-2:] == ["sent", "delivered"]
    assert world.messages["a"].generation == 2


@pytest.mark.parametrize("state", [State.FAILED, State.EXPIRED])
def test_nothing_follows_failed_and_expired(world: PhoneWorld, state: State) -> None:
    """Such a receipt shows that the status was wrong, which is reported elsewhere."""
    world.submit("a", expires_at_s=world.now_s + 5)
    if state is State.FAILED:
        world.conclude(Failed(error=Error("media_rejected")))
    else:
        world.conclude(Deferred(error=Error("deadline_exceeded"), until_s=world.now_s + 60))
        world.wait_for_timer()
    assert world.messages["a"].state is state
    effect_count = len(world.effects)
    give_receipt(world, "delivered")
    assert world.messages["a"].state is state
    assert len(world.effects) == effect_count
    assert contradicts_status(world.messages["a"])


def test_a_receipt_of_an_earlier_life_changes_nothing(world: PhoneWorld) -> None:
    """The message was never dispatched, so it cannot have been sent."""
    world.accounts = {}
    world.submit("a")
    give_receipt(world, "read")
    assert world.statuses("a") == ["accepted", "queued"]


def test_the_limit_keeps_a_place_for_a_message_in_doubt(world: PhoneWorld) -> None:
    """It may have arrived already, or may arrive at any moment; it has its place itself."""
    world.policy = Policy(rate_limit_per_minute=3)
    world.submit("a")
    world.conclude(
        Deferred(error=Error("attempt_in_doubt"), in_doubt=True, until_s=world.now_s + 40)
    )
    for request_id in ("u1", "u2", "u3"):
        world.submit(request_id, "urgent")
        if world.row and world.row.in_flight:
            world.conclude(Sent(at_s=world.now_s))
    assert world.dispatched_ids() == ["a", "u1", "u2"]
    assert world.statuses("u3") == ["accepted", "queued"]
    world.wait_for_timer()
    assert world.dispatched_ids() == ["a", "u1", "u2", "a"]
    world.conclude(Failed(error=Error("media_rejected")))
    assert world.dispatched_ids() == ["a", "u1", "u2", "a", "u3"]


def test_at_a_limit_of_one_the_others_wait_for_the_end_of_the_doubt(world: PhoneWorld) -> None:
    """The end is a receipt, or the time after which the message is unknown."""
    world.policy = Policy(rate_limit_per_minute=1)
    world.submit("a")
    world.conclude(IN_DOUBT)
    world.accounts = {}
    world.submit("u", "urgent")
    assert world.dispatched_ids() == ["a"]
    world.accounts = PhoneWorld().accounts
    give_receipt(world, "sent")
    assert world.row
    assert world.row.timer_at_s == pytest.approx(world.now_s + 60.5)
    world.wait_for_timer()
    assert world.dispatched_ids() == ["a", "u"]
