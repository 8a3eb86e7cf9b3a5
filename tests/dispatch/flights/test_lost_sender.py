"""An account that has certainly lost its sender: what it was given goes to another account before the deadline."""

import pytest

from streams.contract.account import MAX_HEARTBEAT_AGE_S, AccountState
from streams.dispatch.flights.resolver import DEFAULT_PATIENCE
from streams.domain.phone.state import State
from streams.domain.sending.claim import Claim
from tests.dispatch.flights.flight_world import PHONE, FlightWorld

LOST_S = DEFAULT_PATIENCE.lost_s
OPEN = Claim(phone=PHONE, id="a", dispatch_number=1, chat_id="c", claimed_at_s=1_000_001.0)


@pytest.fixture
def world() -> FlightWorld:
    """`a` was dispatched to the account `main`; `other` is ready."""
    world = FlightWorld()
    world.set_account("main", "ready")
    world.submit("a")
    world.set_account("other", "ready")
    return world


def get_accounts(world: FlightWorld) -> list[str]:
    """To which accounts messages were dispatched."""
    return [command.account for command in world.commands]


def test_a_message_leaves_an_account_whose_sender_has_stopped(world: FlightWorld) -> None:
    """Well within five seconds, and only once."""
    world.set_account("main", "stopped")
    world.resolve(after_s=LOST_S)
    world.resolve(after_s=1)
    assert get_accounts(world) == ["main", "other"]
    assert world.outcome_count == 1
    assert LOST_S + 3 * DEFAULT_PATIENCE.interval_s < 5.0


def test_a_message_leaves_a_silent_account(world: FlightWorld) -> None:
    """Nobody has published that its sender ends: three heartbeats are missing."""
    for _ in range(3):
        world.pass_time(MAX_HEARTBEAT_AGE_S / 3)
        world.set_account("other", "ready")
    world.accounts.check_heartbeats()
    world.resolve()
    assert get_accounts(world) == ["main"]
    world.pass_time(1)
    world.accounts.check_heartbeats()
    world.resolve(after_s=LOST_S)
    assert get_accounts(world) == ["main", "other"]


@pytest.mark.parametrize("state", ["starting", "ready", "reconnecting"])
def test_a_standby_keeps_the_message(world: FlightWorld, state: AccountState) -> None:
    """It has shown itself in time: it has the message, whatever it can do now."""
    world.set_account("main", "stopped")
    world.resolve(after_s=LOST_S - 1)
    world.set_account("main", state)
    world.resolve(after_s=2 * LOST_S)
    assert get_accounts(world) == ["main"]
    assert world.claims.reads == []


def test_a_browser_that_is_started_again_keeps_the_message(world: FlightWorld) -> None:
    """The state is `stopped`, and the record has an owner, which answers itself."""
    world.set_account("main", "stopped", owner="host:1")
    world.resolve(after_s=2 * LOST_S)
    assert world.claims.reads == []
    assert world.accounts.is_sender_alive("main")


def test_without_another_account_the_message_waits_for_its_own(world: FlightWorld) -> None:
    """The sender is only being restarted, and there is nobody else to send it."""
    world.set_account("main", "stopped")
    world.set_account("other", "linking")
    world.resolve(after_s=2 * LOST_S)
    assert world.in_flight is not None
    assert world.in_flight.overdue_since_s == 0.0
    assert world.claims.reads == []


def test_an_open_claim_stays_with_its_account(world: FlightWorld) -> None:
    """The message may have left: only its own account can find out."""
    world.put_claim("a", OPEN)
    world.set_account("main", "stopped")
    world.resolve(after_s=LOST_S)
    message = world.store.get_message(PHONE, "a")
    assert message is not None
    assert (message.state, message.pinned_to) == (State.WAITING, "main")
    assert get_accounts(world) == ["main"]


def test_a_dispatch_in_doubt_is_not_handed_over(world: FlightWorld) -> None:
    """It cannot move, so nothing is looked for before its deadline."""
    world.put_claim("a", OPEN)
    world.set_account("main", "stopped")
    world.resolve(after_s=LOST_S)
    world.set_account("main", "ready")
    world.fire_timers(after_s=25)
    assert get_accounts(world) == ["main", "main"]
    reads = len(world.claims.reads)
    world.set_account("other", "ready")
    world.set_account("main", "stopped")
    world.resolve(after_s=LOST_S)
    assert len(world.claims.reads) == reads


def test_a_message_that_was_given_at_the_last_moment_has_as_much_time(world: FlightWorld) -> None:
    """A command that was published twice may arrive late: it must lie before the barrier."""
    world.set_account("main", "stopped")
    world.pass_time(10)
    world.restart()
    world.set_account("main", "stopped")
    world.set_account("other", "ready")
    world.resolve(after_s=LOST_S / 2)
    assert world.in_flight is not None
    assert world.in_flight.overdue_since_s == 0.0
    world.resolve(after_s=LOST_S / 2, rounds=1)
    world.resolve(after_s=LOST_S)
    assert get_accounts(world) == ["main", "other"]


def test_a_stop_that_is_repeated_counts_from_the_first_record(world: FlightWorld) -> None:
    """A sender publishes it when it begins to end, and again at its end."""
    world.set_account("main", "stopped")
    world.pass_time(LOST_S / 2)
    world.set_account("main", "stopped")
    world.resolve(after_s=LOST_S / 2)
    assert get_accounts(world) == ["main", "other"]


def test_claims_that_are_not_the_last_word_keep_the_message(world: FlightWorld) -> None:
    """There is no send topic, so no barrier names what it is about, and the deadline is not over."""
    world.claims.is_last_word = False
    world.set_account("main", "stopped")
    world.resolve(after_s=LOST_S)
    assert get_accounts(world) == ["main"]
    message = world.store.get_message(PHONE, "a")
    assert message is not None
    assert message.pinned_to == "main"
