"""A message in doubt that its account may not submit again yet, and one that the server refuses each time."""

import pytest

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import PublishDeadLetter, PublishStatus
from streams.domain.phone.events import Deferred, Sent
from streams.domain.phone.handlers.outcomes import MAX_REFUSALS
from streams.domain.phone.state import State, decode_message, encode_message
from streams.domain.policy import Policy
from streams.testing.phone_world import READY, PhoneWorld
from tests.domain.phone.lifecycle.causes import give_receipt

DAY_S = 86_400.0
DOWN = Capacity(is_ready=False, free_slots=0)
TIME_LOCKED = Error("attempt_in_doubt", "new_chats_restricted: DEFAULT")


@pytest.fixture
def world() -> PhoneWorld:
    """A phone with one account."""
    return PhoneWorld()


def hold_back(world: PhoneWorld, until_s: float) -> None:
    """The page does not have it, and a time lock forbids to submit it again."""
    error = TIME_LOCKED
    world.conclude(Deferred(error=error, until_s=until_s, in_doubt=True, is_held_back=True))


def refuse(world: PhoneWorld, *, in_doubt: bool = False) -> None:
    """WhatsApp's server refuses the message as invalid, and the account pauses for a minute."""
    error = Error("attempt_in_doubt" if in_doubt else "account_rate_limited", "479")
    until_s = world.now_s + 60
    world.conclude(Deferred(error=error, until_s=until_s, in_doubt=in_doubt, is_refused=True))


def last_error(world: PhoneWorld) -> Error | None:
    """The error of the last status."""
    return [effect for effect in world.effects if isinstance(effect, PublishStatus)][-1].error


# -- held back


def test_a_message_held_back_for_a_day_is_sent_at_its_end(world: PhoneWorld) -> None:
    """It is nowhere on its way, so `unknown` after an hour would be less than what is known."""
    until_s = world.now_s + DAY_S
    world.submit("a")
    hold_back(world, until_s)
    message = world.messages["a"]
    assert decode_message(encode_message(message)) == message
    world.wait_for_timer()
    assert world.now_s == until_s
    assert world.dispatched_ids() == ["a", "a"]
    world.conclude(Sent(at_s=world.now_s))
    assert world.statuses("a") == ["accepted", "queued", "sent"]
    assert world.dead_letters() == []


def test_after_the_hold_the_doubt_lasts_as_long_as_any_other(world: PhoneWorld) -> None:
    """The account does not come back: the message is given up after the usual time."""
    until_s = world.now_s + DAY_S
    world.submit("a")
    hold_back(world, until_s)
    world.accounts = {}
    world.wait_for_timer()
    assert world.messages["a"].state is State.WAITING
    world.wait_for_timer()
    assert world.now_s == until_s + world.policy.unknown_after_s
    assert world.messages["a"].state is State.UNKNOWN


def test_a_doubt_that_is_not_held_back_is_given_up_in_time(world: PhoneWorld) -> None:
    """The page has the message: when it is looked for next does not prolong the doubt."""
    began_s = world.now_s
    world.submit("a")
    while world.messages["a"].state is not State.UNKNOWN:
        if world.row and world.row.in_flight:
            world.conclude(Deferred(error=TIME_LOCKED, until_s=world.now_s + 60, in_doubt=True))
        else:
            world.wait_for_timer()
    assert world.now_s == began_s + world.policy.unknown_after_s


def test_an_account_that_is_held_back_again_and_again_is_not_waited_for(world: PhoneWorld) -> None:
    """It ends long before the claim of the attempt is forgotten: the sender would take it for a new message."""
    began_s = world.now_s
    world.submit("a")
    while world.messages["a"].state is not State.UNKNOWN:
        if world.row and world.row.in_flight:
            hold_back(world, world.now_s + DAY_S)
        else:
            world.wait_for_timer()
    policy = world.policy
    assert world.now_s == began_s + policy.idempotency_window_s / 2 + policy.unknown_after_s


def test_a_message_that_expires_meanwhile_is_not_held_longer(world: PhoneWorld) -> None:
    """Nothing submits it after `expires_at`, so the end of the time lock is not worth waiting for."""
    expires_at_s = world.now_s + 7200
    world.submit("a", expires_at_s=expires_at_s)
    hold_back(world, world.now_s + DAY_S)
    world.wait_for_timer()
    assert world.now_s == expires_at_s + world.policy.unknown_after_s
    assert world.statuses("a") == ["accepted", "queued", "unknown"]


def test_a_new_doubt_does_not_inherit_the_hold(world: PhoneWorld) -> None:
    """The first doubt ended, with certainty that nothing was sent; the second one is of another attempt."""
    world.submit("a")
    hold_back(world, world.now_s + DAY_S)
    world.wait_for_timer()
    world.conclude(Deferred(error=Error("disconnected")))
    world.wait_for_timer()
    world.conclude(Deferred(error=Error("attempt_in_doubt"), in_doubt=True))
    assert world.messages["a"].held_back_until_s == 0.0


def test_a_receipt_ends_a_hold(world: PhoneWorld) -> None:
    """It arrived after all."""
    world.submit("a")
    hold_back(world, world.now_s + DAY_S)
    give_receipt(world, "delivered")
    assert world.statuses("a") == ["accepted", "queued", "sent", "delivered"]


# -- refused


def test_a_message_that_is_always_refused_fails(world: PhoneWorld) -> None:
    """479 says that the stanza is invalid: the message is at fault, and must not pause its account for ever."""
    world.submit("a")
    world.submit("b")
    for _ in range(MAX_REFUSALS - 1):
        refuse(world)
        assert world.messages["a"].state is State.WAITING
        world.wait_for_timer()
    refuse(world)
    assert world.statuses("a") == ["accepted", "queued", "failed"]
    assert last_error(world) == Error("server_error", f"refused {MAX_REFUSALS} times: 479")
    (letter,) = [effect for effect in world.effects if isinstance(effect, PublishDeadLetter)]
    assert letter.outcome == "not_sent"
    assert world.dispatched_ids()[-1] == "b"


def test_a_message_that_waits_for_pauses_is_not_refused(world: PhoneWorld) -> None:
    """The account sends too much (429), or pauses because of another message: it waits for as long as it takes."""
    world.policy = Policy(unknown_after_s=60.0)
    world.submit("a")
    for _ in range(5 * MAX_REFUSALS):
        error = Error("account_rate_limited", "429")
        world.conclude(Deferred(error=error, until_s=world.now_s + 3600))
        world.wait_for_timer()
    world.conclude(Sent(at_s=world.now_s))
    assert world.statuses("a") == ["accepted", "queued", "sent"]


def test_a_refused_message_that_may_have_arrived_is_unknown(world: PhoneWorld) -> None:
    """An earlier submit may have arrived: it is not said that nothing was sent, and it is not tried again."""
    world.submit("a")
    for _ in range(MAX_REFUSALS):
        refuse(world, in_doubt=True)
        world.wait_for_timer()
    assert world.statuses("a") == ["accepted", "queued", "unknown"]
    assert last_error(world) == Error("outcome_unknown", f"refused {MAX_REFUSALS} times: 479")
    assert len(world.dispatched_ids()) == MAX_REFUSALS


# -- handed back


@pytest.mark.parametrize(
    ("accounts", "reason"),
    [
        ({"main": READY["main"]}, "retry"),
        ({"main": DOWN, "other": READY["main"]}, "retry"),
        ({"main": DOWN}, "no_account"),
        ({}, "no_account"),
    ],
)
def test_why_a_message_that_was_handed_back_waits(
    world: PhoneWorld, accounts: dict[str, Capacity], reason: str
) -> None:
    """`no_account` is reported only when no account is ready."""
    world.submit("a")
    world.accounts = accounts
    world.conclude(Deferred(error=Error("disconnected")))
    queued = [effect for effect in world.effects if isinstance(effect, PublishStatus)][-1]
    assert (queued.status, queued.reason) == ("queued", reason)


def test_dispatches_that_come_too_late_do_not_follow_each_other_at_once(world: PhoneWorld) -> None:
    """The first one is repeated at once; after that the gaps grow, as after any other deferral."""
    world.submit("a")
    start_s = world.now_s
    for _ in range(8):
        world.conclude(Deferred(error=Error("deadline_exceeded")))
        if world.row is not None and world.row.in_flight is None:
            world.wait_for_timer()
    assert world.now_s - start_s > 30
    reasons = {e.reason for e in world.effects if isinstance(e, PublishStatus)} - {None}
    assert reasons == {"retry"}


def test_a_message_whose_file_is_still_fetched_waits_for_a_retry(world: PhoneWorld) -> None:
    """No limit is reached, so that is not the reason; no attempt is counted, however long it takes."""
    world.submit("a")
    for _ in range(8):
        world.conclude(Deferred(error=Error("media_pending")))
        world.wait_for_timer()
    reasons = {e.reason for e in world.effects if isinstance(e, PublishStatus)} - {None}
    assert reasons == {"retry"}
    world.conclude(Sent(at_s=world.now_s))
    sent = [effect for effect in world.effects if isinstance(effect, PublishStatus)][-1]
    assert (sent.status, sent.attempt) == ("sent", 1)
