"""The state machine of a phone, case by case."""

import pytest

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import (
    Deferred,
    Failed,
    OutcomeUnknown,
    ReceiptSeen,
    RetentionElapsed,
    ScheduleDue,
    Sent,
    TimerFired,
)
from streams.domain.phone.state import State, Wait
from streams.domain.policy import Policy
from streams.testing.phone_world import PHONE, PhoneWorld, make_outcome

RECEIPT = {"phone": PHONE, "account": "main", "whatsapp_id": "3EB0"}


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld()


def test_a_first_request_is_accepted_and_dispatched(world: PhoneWorld) -> None:
    """Nothing waits, so the message is dispatched at once."""
    world.submit("a")
    assert world.statuses("a") == ["accepted"]
    assert world.dispatched_ids() == ["a"]


def test_only_one_message_is_in_flight(world: PhoneWorld) -> None:
    """The second waits for the first one's outcome, and its status has the number of messages ahead."""
    world.submit("a")
    effects = world.submit("b")
    assert world.dispatched_ids() == ["a"]
    assert effects[0].queue_position == 1  # pyright: ignore
    world.conclude(Sent(at_s=world.now_s))
    assert world.dispatched_ids() == ["a", "b"]


def test_a_repeat_is_answered_with_the_last_status(world: PhoneWorld) -> None:
    """The same id again gives the same status again, with the same event id, and nothing is sent."""
    world.submit("a")
    world.conclude(Sent(at_s=world.now_s))
    last_status = world.effects[-1]
    assert world.submit("a") == [last_status]
    assert world.dispatched_ids() == ["a"]


def test_urgent_overtakes_and_bulk_is_not_starved(world: PhoneWorld) -> None:
    """The order is urgent, normal, bulk; after four dispatches that skipped it, bulk is served."""
    world.submit("first")
    world.submit("b1", "bulk")
    for i in range(6):
        world.submit(f"n{i}")
    world.submit("u", "urgent")
    while world.row and world.row.in_flight:
        world.conclude(Sent(at_s=world.now_s))
    assert world.dispatched_ids() == ["first", "u", "n0", "n1", "n2", "b1", "n3", "n4", "n5"]


def test_the_limit_holds_the_next_message_back(world: PhoneWorld) -> None:
    """The 31st waits until the first is more than a minute old, and is woken then."""
    for i in range(31):
        world.submit(f"m{i}")
        if world.row and world.row.in_flight:
            world.conclude(Sent(at_s=world.now_s))
    assert len(world.dispatched_ids()) == 30
    assert world.statuses("m30") == ["accepted", "queued"]
    assert world.row
    assert world.row.timer_at_s == pytest.approx(1_000_060.5)
    world.now_s = world.row.timer_at_s
    world.fire_timer()
    assert world.dispatched_ids()[-1] == "m30"


def test_a_stale_timer_changes_nothing(world: PhoneWorld) -> None:
    """A timer event of an earlier version is ignored."""
    world.submit("a")
    before = world.row
    assert world.row
    world.apply(TimerFired(phone=PHONE, timer_version=world.row.timer_version - 1))
    assert world.row is before


def test_a_transient_error_is_retried_then_fails(world: PhoneWorld) -> None:
    """After three retries with growing gaps, it gets `failed` and a dead letter."""
    world.submit("a")
    for _ in range(4):
        world.conclude(Failed(error=Error("server_error")))
        if world.row and world.row.timer_at_s:
            world.now_s = world.row.timer_at_s
            world.fire_timer()
    assert world.dispatched_ids() == ["a"] * 4
    assert world.statuses("a") == ["accepted", "queued", "queued", "queued", "failed"]
    (dead,) = world.dead_letters()
    assert (dead.attempts, dead.outcome, dead.error.code) == (4, "not_sent", "server_error")


def test_a_retry_keeps_its_place(world: PhoneWorld) -> None:
    """While the first of a queue waits for its retry, the second one is not dispatched."""
    world.submit("a")
    world.submit("b")
    world.conclude(Failed(error=Error("server_error")))
    assert world.dispatched_ids() == ["a"]
    assert world.row
    world.now_s = world.row.timer_at_s
    world.fire_timer()
    assert world.dispatched_ids() == ["a", "a"]


def test_a_permanent_error_fails_at_once_and_is_remembered(world: PhoneWorld) -> None:
    """A number that is not on WhatsApp fails, and the next request needs no look-up."""
    world.submit("a")
    world.conclude(Failed(error=Error("recipient_not_on_whatsapp")))
    world.submit("b")
    assert world.dispatched_ids() == ["a"]
    assert world.statuses("b") == ["accepted", "failed"]


def test_a_restricted_error_is_never_retried(world: PhoneWorld) -> None:
    """An error that threatens the account is not answered by a retry."""
    world.submit("a")
    world.conclude(Failed(error=Error("reachout_timelocked")))
    assert world.statuses("a")[-1] == "failed"


def test_unknown_is_final_and_counts_as_sent(world: PhoneWorld) -> None:
    """It may have arrived: it is not sent again automatically, and the limit counts it."""
    world.submit("a")
    world.conclude(OutcomeUnknown(at_s=world.now_s, error=Error("outcome_unknown")))
    assert world.statuses("a") == ["accepted", "unknown"]
    assert world.dead_letters()[0].outcome == "unknown"
    assert world.row
    assert world.row.send_times_s == (world.now_s,)


def test_a_deferred_dispatch_waits_without_an_attempt(world: PhoneWorld) -> None:
    """It was handed back because the session is not ready, so it waits and is dispatched again."""
    world.submit("a")
    world.conclude(Deferred(error=Error("disconnected")))
    assert world.statuses("a") == ["accepted", "queued"]
    assert world.row
    world.now_s = world.row.timer_at_s
    world.fire_timer()
    assert world.dispatched_ids() == ["a", "a"]
    assert world.messages["a"].attempts == 0


def test_an_attempt_in_doubt_pins_the_message_to_its_account(world: PhoneWorld) -> None:
    """Only the account that made the attempt can find out whether it was sent."""
    world.accounts = {"main": Capacity(True, 8), "other": Capacity(True, 8)}
    world.submit("a")
    assert world.row and world.row.in_flight
    attempted_by = world.row.in_flight.account
    world.conclude(Deferred(error=Error("attempt_in_doubt"), in_doubt=True))
    world.accounts = {name: Capacity(name != attempted_by, 8) for name in ("main", "other")}
    assert world.row
    world.now_s = world.row.timer_at_s
    world.fire_timer()
    assert world.dispatched_ids() == ["a"]
    wait = Wait(reason="no_account", account=attempted_by, priority_rank=1, is_in_doubt=True)
    assert world.row.waits == (wait,)


def test_an_attempt_that_stays_in_doubt_becomes_unknown(world: PhoneWorld) -> None:
    """After an hour it is given up."""
    world.submit("a", expires_at_s=world.now_s + 10)
    world.conclude(Deferred(error=Error("attempt_in_doubt"), in_doubt=True))
    world.accounts = {"main": Capacity(False, 0)}
    world.fire_timer()
    assert world.statuses("a") == ["accepted", "queued"]
    world.now_s += 3600
    world.fire_timer()
    assert world.statuses("a")[-1] == "unknown"


def test_an_expired_message_is_not_sent(world: PhoneWorld) -> None:
    """Its time is judged at the moment of sending."""
    world.submit("a")
    world.submit("b", expires_at_s=world.now_s + 5)
    world.now_s += 5
    world.conclude(Sent(at_s=world.now_s))
    assert world.dispatched_ids() == ["a"]
    assert world.statuses("b") == ["accepted", "expired"]
    assert world.payloads == set()


def test_a_scheduled_message_joins_when_due(world: PhoneWorld) -> None:
    """Before its `send_at` it holds up no other message."""
    at_s = world.now_s + 100
    world.submit("later", send_at_s=at_s)
    world.submit("now")
    assert world.dispatched_ids() == ["now"]
    assert world.statuses("later") == ["accepted", "queued"]
    world.conclude(Sent(at_s=world.now_s))
    world.now_s = at_s
    world.apply(ScheduleDue(phone=PHONE, id="later"))
    assert world.dispatched_ids() == ["now", "later"]


def test_a_full_queue_rejects(world: PhoneWorld) -> None:
    """`queue_full` leaves no row behind, only a status and a dead letter."""
    world.policy = Policy(max_queue=2)
    for id in "abcd":
        world.submit(id)
    assert world.statuses("d") == ["rejected"]
    assert world.dead_letters()[0].error.code == "queue_full"
    assert "d" not in world.messages


def test_a_dead_letter_is_replayed_once(world: PhoneWorld) -> None:
    """The first replay sends; the second of the same dead letter is a repeat."""
    world.submit("a")
    world.conclude(Failed(error=Error("media_rejected")))
    dead_letter_id = world.dead_letters()[0].dead_letter_id
    world.submit("a", replay_of=dead_letter_id, replay_count=1)
    world.conclude(Sent(at_s=world.now_s))
    world.submit("a", replay_of=dead_letter_id, replay_count=1)
    assert world.dispatched_ids() == ["a", "a"]
    assert world.statuses("a") == ["accepted", "failed", "accepted", "sent", "sent"]


def test_a_replay_asks_whatsapp_afresh(world: PhoneWorld) -> None:
    """What a look-up answered minutes ago does not end the replay: the recipient may have joined since."""
    world.submit("a")
    world.conclude(Failed(error=Error("recipient_not_on_whatsapp")))
    world.submit("b")
    assert world.statuses("b") == ["accepted", "failed"]  # by the cached answer
    world.submit("a", replay_of=world.dead_letters()[0].dead_letter_id, replay_count=1)
    assert world.dispatched_ids() == ["a", "a"]
    [*_, last] = [effect for effect in world.effects if isinstance(effect, Dispatch)]
    assert last.chat_id is None


def test_receipts_only_move_forward(world: PhoneWorld) -> None:
    """Read before delivered: delivered is not published any more."""
    world.submit("a")
    world.conclude(Sent(at_s=world.now_s))
    world.apply(ReceiptSeen(id="a", receipt="read", at_s=world.now_s, **RECEIPT))
    world.apply(ReceiptSeen(id="a", receipt="delivered", at_s=world.now_s, **RECEIPT))
    assert world.statuses("a") == ["accepted", "sent", "read"]


def test_a_receipt_before_the_outcome_is_published_after_it(world: PhoneWorld) -> None:
    """The receipt overtook the outcome; `sent` comes first all the same."""
    world.submit("a")
    world.apply(ReceiptSeen(id="a", receipt="delivered", at_s=world.now_s, **RECEIPT))
    world.conclude(Sent(at_s=world.now_s))
    assert world.statuses("a") == ["accepted", "sent", "delivered"]


def test_an_outcome_of_another_dispatch_changes_nothing(world: PhoneWorld) -> None:
    """A repeated outcome of an earlier dispatch is ignored (a late `Sent` is not: test_overdue.py)."""
    world.submit("a")
    before = world.row
    stale = make_outcome(Failed(error=Error("media_rejected")), dispatch_number=7)
    assert world.apply(stale) == []
    assert world.row is before


def test_a_message_without_an_account_waits_for_one(world: PhoneWorld) -> None:
    """Nothing is dispatched, and the row records what it waits for."""
    world.accounts = {}
    world.submit("a")
    assert world.statuses("a") == ["accepted", "queued"]
    assert world.row and [wait.reason for wait in world.row.waits] == ["no_account"]
    world.accounts = {"main": Capacity(True, 1)}
    world.fire_timer()
    assert world.dispatched_ids() == ["a"]


def test_completed_messages_and_idle_phones_are_forgotten(world: PhoneWorld) -> None:
    """The disk is bounded: when the idempotency window is over, nothing is left."""
    world.submit("a")
    world.conclude(Sent(at_s=world.now_s), chat_id="60123456789@c.us")
    world.apply(RetentionElapsed(phone=PHONE, ids=("a",)))
    assert world.messages["a"].state is State.SENT
    world.now_s += world.policy.idempotency_window_s
    world.apply(RetentionElapsed(phone=PHONE, ids=("a",)))
    assert (world.row, world.messages, world.slots, world.payloads) == (None, {}, {}, set())
