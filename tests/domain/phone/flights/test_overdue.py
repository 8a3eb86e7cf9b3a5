"""A dispatch that no sender answers, and an answer that comes late."""

import pytest
from msgspec.structs import replace

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.events import (
    Deferred,
    Failed,
    FlightOverdue,
    OutcomeUnknown,
    ReceiptSeen,
    Result,
    Sent,
)
from streams.domain.phone.handlers.outcomes import MAX_UNANSWERED
from streams.domain.phone.state import InFlight, State
from streams.testing.phone_world import PHONE, PhoneWorld, make_outcome
from tests.domain.phone.test_doubt import IN_DOUBT, send_times

NEVER_CLAIMED = Deferred(error=Error("deadline_exceeded"))
FAILED = Failed(error=Error("media_rejected"))
UNKNOWN = OutcomeUnknown(at_s=1_000_000.0, error=Error("outcome_unknown"))


@pytest.fixture
def world() -> PhoneWorld:
    """Two accounts are ready; the phone uses `main`."""
    world = PhoneWorld()
    world.submit("a")
    return world


def get_in_flight(world: PhoneWorld) -> InFlight | None:
    """The dispatch in flight."""
    assert world.row is not None
    return world.row.in_flight


def answer_late(
    world: PhoneWorld, result: Result, *, number: int = 1, account: str = "main"
) -> None:
    """The sender of an earlier dispatch answers after all."""
    world.now_s += 1
    world.apply(make_outcome(result, dispatch_number=number, account=account))


# -- the dispatch


def test_a_dispatch_has_a_deadline(world: PhoneWorld) -> None:
    """It is counted from the event that caused it."""
    in_flight = get_in_flight(world)
    assert in_flight is not None
    assert in_flight.since_s == world.now_s
    assert in_flight.deadline_s == world.now_s + world.policy.dispatch_timeout_s


def test_an_overdue_dispatch_is_marked_once(world: PhoneWorld) -> None:
    """It stays in flight, and its command is not published again from the journal."""
    assert world.report_overdue() == []
    in_flight = get_in_flight(world)
    assert in_flight is not None
    assert in_flight.overdue_since_s == world.now_s
    row = world.row
    world.now_s += 10
    world.report_overdue()
    assert world.row is row


def test_another_dispatch_is_not_overdue(world: PhoneWorld) -> None:
    """The event comes late: the dispatch that it names has ended."""
    world.conclude(NEVER_CLAIMED)
    row = world.row
    event = FlightOverdue(phone=PHONE, id="a", dispatch_number=1, whatsapp_id="3EB0a")
    assert world.apply(event) == []
    assert world.row is row


def test_a_receipt_ends_an_overdue_dispatch(world: PhoneWorld) -> None:
    """The recipient's phone has the message, so nothing needs to be found out."""
    world.apply(
        ReceiptSeen(
            phone=PHONE, id="a", account="main", whatsapp_id="3EB0a", receipt="read", at_s=1.0
        )
    )
    world.report_overdue()
    assert world.statuses("a") == ["accepted", "sent", "read"]
    assert get_in_flight(world) is None


def test_the_last_resort_is_unknown(world: PhoneWorld) -> None:
    """Nobody answers and the claims cannot be read: the recipient's next message goes after an hour."""
    world.submit("b")
    world.report_overdue()
    world.now_s += world.policy.unknown_after_s - 1
    world.report_overdue()
    assert world.statuses("a") == ["accepted"]
    world.now_s += 1
    world.report_overdue()
    assert world.statuses("a") == ["accepted", "unknown"]
    assert [letter.outcome for letter in world.dead_letters()] == ["unknown"]
    assert world.dispatched_ids() == ["a", "b"]
    assert send_times(world) == (world.now_s,)


def test_a_standstill_of_everything_is_not_the_last_resort(world: PhoneWorld) -> None:
    """The hour counts from the first time that the dispatch is seen to be overdue."""
    world.now_s += 10 * world.policy.unknown_after_s
    world.report_overdue()
    assert world.statuses("a") == ["accepted"]


# -- its end without a sender


def test_a_message_that_was_never_claimed_moves_to_another_account(world: PhoneWorld) -> None:
    """At once, and no attempt is counted."""
    world.report_overdue()
    world.accounts = {"other": Capacity(is_ready=True, free_slots=1)}
    world.conclude(NEVER_CLAIMED)
    in_flight = get_in_flight(world)
    assert in_flight is not None
    assert (in_flight.account, in_flight.dispatch_number) == ("other", 2)
    assert world.messages["a"].attempts == 0


def test_a_message_in_doubt_waits_for_its_own_account(world: PhoneWorld) -> None:
    """Another account would send it a second time."""
    world.report_overdue()
    world.accounts = {"other": Capacity(is_ready=True, free_slots=1)}
    world.conclude(IN_DOUBT)
    world.wait_for_timer()
    assert world.dispatched_ids() == ["a"]
    assert world.messages["a"].pinned_to == "main"
    world.now_s += world.policy.unknown_after_s
    world.wait_for_timer()
    assert world.statuses("a")[-1] == "unknown"


def test_a_message_in_doubt_is_dispatched_to_be_reconciled(world: PhoneWorld) -> None:
    """The dispatch says so: a missing claim means something else then."""
    world.conclude(IN_DOUBT)
    world.wait_for_timer()
    in_flight = get_in_flight(world)
    assert in_flight is not None
    assert in_flight.is_in_doubt


def test_a_message_that_no_living_sender_answers_fails(world: PhoneWorld) -> None:
    """A bug on one message holds up its recipient for a bounded time."""
    world.submit("b")
    unanswered = replace(NEVER_CLAIMED, is_unanswered=True)
    for _ in range(MAX_UNANSWERED):
        assert world.messages["a"].state is State.DISPATCHED
        world.conclude(unanswered)
        world.wait_for_timer()
    assert world.statuses("a")[-1] == "failed"
    assert [letter.outcome for letter in world.dead_letters()] == ["not_sent"]
    assert world.dispatched_ids()[-1] == "b"


def test_an_answer_begins_the_count_again(world: PhoneWorld) -> None:
    """Only dispatches in a row count."""
    for _ in range(MAX_UNANSWERED - 1):
        world.conclude(replace(NEVER_CLAIMED, is_unanswered=True))
        world.wait_for_timer()
    world.conclude(NEVER_CLAIMED)
    assert world.messages["a"].unanswered == 0


# -- late outcomes


@pytest.mark.parametrize("result", [IN_DOUBT, NEVER_CLAIMED, UNKNOWN])
def test_a_late_sent_makes_the_message_sent(world: PhoneWorld, result: Result) -> None:
    """A sender was frozen, and works through its commands."""
    world.accounts = {"main": Capacity(is_ready=True, free_slots=1)}
    world.report_overdue()
    world.accounts = {}
    world.conclude(result)
    answer_late(world, Sent(at_s=world.now_s))
    answer_late(world, Sent(at_s=world.now_s))
    assert world.statuses("a")[-1] == "sent"
    assert world.statuses("a").count("sent") == 1
    assert len(send_times(world)) == (2 if result is UNKNOWN else 1)  # it may have arrived since
    assert world.payloads == set()


def test_a_late_sent_of_a_message_that_is_in_flight_again(world: PhoneWorld) -> None:
    """It waits for the outcome of the last dispatch, and then the message is sent, whatever that says."""
    world.conclude(IN_DOUBT)
    world.wait_for_timer()
    answer_late(world, Sent(at_s=world.now_s))
    world.conclude(Deferred(error=Error("disconnected")))
    assert world.statuses("a")[-1] == "sent"
    assert world.dispatched_ids() == ["a", "a"]


def test_a_late_sent_leaves_the_next_dispatch_alone(world: PhoneWorld) -> None:
    """Another message of the recipient is in flight."""
    world.submit("b")
    world.conclude(UNKNOWN)
    answer_late(world, Sent(at_s=world.now_s))
    assert world.statuses("a")[-1] == "sent"
    in_flight = get_in_flight(world)
    assert in_flight is not None
    assert in_flight.id == "b"


@pytest.mark.parametrize(("result", "status"), [(FAILED, "failed"), (UNKNOWN, "unknown")])
def test_a_late_result_ends_the_doubt(world: PhoneWorld, result: Result, status: str) -> None:
    """It is the result of the very attempt that is in doubt."""
    world.accounts = {}
    world.conclude(IN_DOUBT)
    answer_late(world, result)
    assert world.statuses("a")[-1] == status


def test_a_late_deferral_ends_the_doubt(world: PhoneWorld) -> None:
    """It was not sent after all, so another account may have it."""
    world.conclude(IN_DOUBT)
    world.accounts = {"other": Capacity(is_ready=True, free_slots=1)}
    answer_late(world, Deferred(error=Error("disconnected")))
    assert world.messages["a"].pinned_to is None


@pytest.mark.parametrize("result", [FAILED, UNKNOWN, NEVER_CLAIMED, IN_DOUBT])
def test_a_late_result_of_a_message_not_in_doubt_changes_nothing(
    world: PhoneWorld, result: Result
) -> None:
    """The claims have shown that it was not sent: a later dispatch has an outcome of its own."""
    world.accounts = {}
    world.conclude(NEVER_CLAIMED)
    row = world.row
    answer_late(world, result)
    assert world.row is row


@pytest.mark.parametrize("result", [FAILED, UNKNOWN, NEVER_CLAIMED])
def test_only_the_last_dispatch_ends_the_doubt(world: PhoneWorld, result: Result) -> None:
    """A later one may have been submitted since."""
    for _ in range(2):
        world.conclude(IN_DOUBT)
        world.wait_for_timer()
    world.conclude(IN_DOUBT)
    row = world.row
    answer_late(world, result, number=2)
    answer_late(world, result, number=3, account="other")
    assert world.row is row
