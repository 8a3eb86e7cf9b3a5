"""Every flight ends: what becomes of a dispatch that no sender answers."""

import pytest

from streams.dispatch.flights.claim_reader import ClaimsUnreadable
from streams.dispatch.flights.resolver import DEFAULT_PATIENCE
from streams.domain.phone.events import Sent
from streams.domain.phone.state import State
from streams.domain.sending.claim import Claim
from streams.testing.phone_world import make_outcome
from tests.dispatch.flights.flight_world import PHONE, POLICY, FlightWorld

TIMEOUT_S = POLICY.dispatch_timeout_s
MARGIN_S = DEFAULT_PATIENCE.margin_s
ENDS_AFTER_S = TIMEOUT_S + MARGIN_S
ALIVE_AFTER_S = TIMEOUT_S + DEFAULT_PATIENCE.alive_margin_s
OPEN = Claim(phone=PHONE, id="a", dispatch_number=1, chat_id="c", claimed_at_s=1_000_001.0)


@pytest.fixture
def world() -> FlightWorld:
    """`a` was dispatched to `main`, of which nothing is known any more: only the deadline decides. `other` is ready."""
    world = FlightWorld()
    world.set_account("main", "ready")
    world.submit("a")
    world.accounts.apply_record(b"main", None, world.now_s)
    world.set_account("other", "ready")
    return world


def get_state(world: FlightWorld, request_id: str = "a") -> State:
    """The state of a message."""
    message = world.store.get_message(PHONE, request_id)
    assert message is not None
    return message.state


def get_pinned_to(world: FlightWorld) -> str | None:
    """The account that must find out what became of `a`."""
    message = world.store.get_message(PHONE, "a")
    assert message is not None
    return message.pinned_to


def is_claimed(world: FlightWorld) -> bool:
    """Whether the sender of `a` may have lost its claim."""
    message = world.store.get_message(PHONE, "a")
    assert message is not None
    return message.is_claimed


def test_nothing_happens_before_the_deadline(world: FlightWorld) -> None:
    """A claim could still be in time."""
    world.resolve(after_s=ENDS_AFTER_S - 1)
    assert world.claims.reads == []
    assert world.outcome_count == 0


def test_a_dispatch_without_a_claim_goes_to_another_account(world: FlightWorld) -> None:
    """Its sender is gone, or its record expired, or its topic: what was never claimed was not sent."""
    world.resolve(after_s=ENDS_AFTER_S)
    assert [(command.account, command.dispatch_number) for command in world.commands] == [
        ("main", 1),
        ("other", 2),
    ]
    assert world.metrics.results == ["not_claimed"]


def test_an_open_claim_keeps_the_message_with_its_account(world: FlightWorld) -> None:
    """The recipient's next message goes by another account meanwhile."""
    world.put_claim("a", OPEN)
    world.submit("b")
    world.resolve(after_s=ENDS_AFTER_S)
    assert get_pinned_to(world) == "main"
    assert [command.id for command in world.commands] == ["a", "b"]
    assert world.commands[-1].account == "other"
    assert world.metrics.results == ["in_doubt"]


def test_a_concluded_claim_is_the_outcome(world: FlightWorld) -> None:
    """The sender died between its row and its outcome."""
    world.put_claim("a", Claim(phone=PHONE, id="a", dispatch_number=1, result=Sent(at_s=5.0)))
    world.resolve(after_s=ENDS_AFTER_S)
    assert get_state(world) is State.SENT
    assert world.in_flight is None


def test_the_place_of_the_flight_is_free_again(world: FlightWorld) -> None:
    """Otherwise each lost dispatch would cost its account a place for good."""
    world.put_claim("a", OPEN)
    assert world.timer_service.count_in_flight() == 1
    world.resolve(after_s=ENDS_AFTER_S)
    assert world.timer_service.count_in_flight() == 0


def test_an_account_that_nobody_knows(world: FlightWorld) -> None:
    """It was removed from the settings and from the topic."""
    world.accounts.apply_record(b"main", None, world.now_s)
    world.resolve(after_s=ENDS_AFTER_S)
    assert world.commands[-1].account == "other"


def test_a_living_sender_has_more_time(world: FlightWorld) -> None:
    """It normally answers itself. If it does not, the dispatch ends all the same."""
    world.set_account("main", "reconnecting")
    world.resolve(after_s=ALIVE_AFTER_S - 1)
    assert world.outcome_count == 0
    world.resolve(after_s=1)
    assert world.commands[-1].account == "other"
    message = world.store.get_message(PHONE, "a")
    assert message is not None
    assert message.unanswered == 1


def test_a_sender_that_answers_leaves_nothing_to_do(world: FlightWorld) -> None:
    """Its outcome comes before the deadline."""
    world.publish(make_outcome(Sent(at_s=5.0)))
    world.resolve(after_s=10 * ENDS_AFTER_S)
    assert world.outcome_count == 1
    assert world.claims.reads == []


def test_it_is_overdue_until_it_ends(world: FlightWorld) -> None:
    """For the metric."""
    flights = world.timer_service.flights
    assert flights.count_overdue() == 0
    world.pass_time(TIMEOUT_S)
    assert flights.count_overdue() == 1
    world.put_claim("a", OPEN)
    world.resolve(after_s=MARGIN_S)
    assert flights.count_overdue() == 0


# -- claims that cannot be read


def test_without_a_changelog_the_message_is_in_doubt(world: FlightWorld) -> None:
    """The topic was deleted: what it held is not known, and other messages go on."""
    world.claims.error = ClaimsUnreadable("there is no topic", is_missing=True)
    world.resolve(after_s=ENDS_AFTER_S)
    assert get_pinned_to(world) == "main"
    assert is_claimed(world)


def test_claims_that_cannot_be_read_are_read_again(world: FlightWorld) -> None:
    """After a minute without an answer the message is in doubt."""
    world.claims.error = ClaimsUnreadable("no broker answers")
    world.resolve(after_s=ENDS_AFTER_S)
    assert world.outcome_count == 0
    world.resolve(after_s=DEFAULT_PATIENCE.unreadable_s - 1)
    assert world.outcome_count == 0
    world.resolve(after_s=1)
    assert get_pinned_to(world) == "main"
    assert not is_claimed(world), "a sender that finds no claim may submit it"


def test_claims_that_can_be_read_again_decide(world: FlightWorld) -> None:
    """The broker was away for half a minute."""
    world.claims.error = ClaimsUnreadable("no broker answers")
    world.resolve(after_s=ENDS_AFTER_S)
    world.claims.error = None
    world.resolve(after_s=30)
    assert world.commands[-1].account == "other"


# -- a crash of the dispatcher


def test_a_command_that_is_published_again_has_a_new_deadline(world: FlightWorld) -> None:
    """The dispatcher was down for an hour before it acknowledged the event that caused the dispatch."""
    world.pass_time(3600)
    world.restart(replayed=1)
    world.set_account("other", "ready")
    world.resolve()
    assert [command.dispatch_number for command in world.commands] == [1, 1]
    world.resolve(after_s=ENDS_AFTER_S - 1)
    assert world.outcome_count == 0
    world.resolve(after_s=1)
    assert world.commands[-1].account == "other"


def test_a_command_whose_publication_is_not_known_is_marked_first(world: FlightWorld) -> None:
    """All events are acknowledged, so no event tells it; the mark, which goes through the log, does."""
    world.pass_time(3600)
    world.restart()
    world.set_account("other", "ready")
    world.resolve(rounds=1)
    assert world.in_flight is not None
    assert world.in_flight.overdue_since_s == world.now_s
    world.resolve(after_s=ENDS_AFTER_S - 1)
    assert world.outcome_count == 0
    world.resolve(after_s=1)
    assert world.commands[-1].account == "other"


def test_a_broker_whose_clock_was_set_back(world: FlightWorld) -> None:
    """A sender that wakes up could still claim it, as no barrier names it: it stays with its account."""
    world.claims.is_last_word = False
    world.now_s -= 86_400
    world.resolve(after_s=ENDS_AFTER_S)
    assert world.outcome_count == 0
    world.resolve(after_s=DEFAULT_PATIENCE.unreadable_s)
    assert get_pinned_to(world) == "main"


def test_a_crash_after_the_mark(world: FlightWorld) -> None:
    """The next process goes on, after the longest time that a claim could still be in time."""
    world.resolve(after_s=ENDS_AFTER_S, rounds=1)
    world.restart(replayed=1)
    world.set_account("other", "ready")
    world.resolve(after_s=ENDS_AFTER_S - 1)
    assert world.outcome_count == 0
    world.resolve(after_s=1)
    assert world.commands[-1].account == "other"


def test_an_answer_of_two_processes_counts_once(world: FlightWorld) -> None:
    """The partition moved, and the old owner answered too."""
    world.put_claim("a", OPEN)
    world.resolve(after_s=ENDS_AFTER_S)
    row = world.store.get_phone(PHONE)
    outcome = next(r for r in reversed(world.disk.topics) if r.topic == "phone")
    world.disk.topics.append(outcome)
    world.run()
    assert world.store.get_phone(PHONE) == row


# -- the last resort


def test_an_answer_without_effect_ends_as_unknown(
    world: FlightWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug drops the outcome: the recipient goes on after an hour."""
    world.submit("b")
    world.resolve(after_s=ENDS_AFTER_S, rounds=1)
    monkeypatch.setattr("streams.domain.phone.step.outcomes.apply_outcome", lambda *_: False)
    world.resolve(rounds=2)
    count = world.outcome_count
    assert count > 0
    world.resolve(after_s=DEFAULT_PATIENCE.repeat_s - 1)
    assert world.outcome_count == count
    world.resolve(after_s=1)
    assert world.outcome_count == count + 1
    monkeypatch.undo()
    world.resolve(after_s=POLICY.unknown_after_s, rounds=1)
    assert get_state(world) is State.UNKNOWN
    assert world.commands[-1].id == "b"
