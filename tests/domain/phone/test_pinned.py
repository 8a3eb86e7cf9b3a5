"""A message that may use only one account holds up nothing but what may use the same account."""

import pytest

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, PublishDeadLetter, PublishStatus
from streams.domain.phone.events import Deferred, Failed, ScheduleDue, Sent
from streams.domain.phone.state import State, Wait
from streams.testing.phone_world import PHONE, PhoneWorld

READY, DOWN = Capacity(is_ready=True, free_slots=8), Capacity(is_ready=False, free_slots=0)


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld(accounts={"a": READY, "b": READY})


def set_accounts(world: PhoneWorld, **capacities: Capacity) -> None:
    world.accounts = {**world.accounts, **capacities}


def dispatches(world: PhoneWorld) -> list[tuple[str, str]]:
    return [(e.id, e.account) for e in world.effects if isinstance(e, Dispatch)]


def send_all(world: PhoneWorld) -> None:
    while world.row is not None and world.row.in_flight is not None:
        world.conclude(Sent(at_s=world.now_s))


def test_an_unknown_account_is_rejected(world: PhoneWorld) -> None:
    """A mistyped account is answered at once, with the name that was probably meant, and nothing waits."""
    world.accounts = {"sales-1": READY, "support": READY}
    status, dead_letter = world.submit("m", account="slaes-1")
    assert isinstance(status, PublishStatus)
    assert isinstance(dead_letter, PublishDeadLetter)
    assert status.status == "rejected"
    assert status.error == Error(
        "unknown_account", "account: there is no account 'slaes-1'; did you mean sales-1?"
    )
    assert world.messages == {}


def test_a_repeat_is_answered_although_its_account_was_removed(world: PhoneWorld) -> None:
    """An id that is remembered keeps its answer: it was accepted once."""
    world.submit("m", account="a")
    world.conclude(Sent(at_s=world.now_s))
    world.accounts = {"b": READY}
    effects = world.submit("m", account="a")
    assert [e.status for e in effects if isinstance(e, PublishStatus)] == ["sent"]


def test_a_pinned_message_waits_alone(world: PhoneWorld) -> None:
    """Its account is down: messages before and behind it that may use another account go."""
    set_accounts(world, a=DOWN)
    world.submit("pinned", account="a")
    world.submit("pinned-too", account="a")
    world.submit("free")
    world.submit("other", account="b")
    send_all(world)
    assert dispatches(world) == [("free", "b"), ("other", "b")]
    assert world.row is not None
    assert world.row.waits == (Wait(reason="no_account", account="a", priority_rank=1),)
    assert world.statuses("pinned") == ["accepted", "queued"]
    set_accounts(world, a=READY)
    world.fire_timer()
    send_all(world)
    assert dispatches(world)[2:] == [("pinned", "a"), ("pinned-too", "a")]


def test_order_holds_among_messages_that_may_use_the_same_account(world: PhoneWorld) -> None:
    """Two queues of one priority are served in the order of arrival while their account is ready."""
    set_accounts(world, b=DOWN)
    for request_id, account in (("1", None), ("2", "a"), ("3", None), ("4", "a"), ("5", None)):
        world.submit(request_id, account=account)
    send_all(world)
    assert dispatches(world) == [(i, "a") for i in "12345"]


def test_what_may_use_any_account_holds_up_what_is_pinned_behind_it(world: PhoneWorld) -> None:
    """It might be sent by that account, so a retry of it keeps its place."""
    set_accounts(world, b=DOWN)
    world.submit("first")
    world.submit("second", account="a")
    world.conclude(Failed(error=Error("page_crashed")))
    assert world.row is not None
    assert world.row.in_flight is None
    world.now_s = world.row.timer_at_s
    world.fire_timer()
    send_all(world)
    assert dispatches(world) == [("first", "a"), ("first", "a"), ("second", "a")]


def test_a_message_in_doubt_at_a_lost_account_holds_up_nothing(world: PhoneWorld) -> None:
    """Only its own account can find out what became of it; the conversation goes on with another one."""
    set_accounts(world, b=DOWN)
    world.submit("doubt")
    world.submit("next")
    set_accounts(world, a=DOWN, b=READY)
    world.conclude(Deferred(error=Error("attempt_in_doubt"), in_doubt=True))
    send_all(world)
    assert dispatches(world) == [("doubt", "a"), ("next", "b")]
    assert world.messages["doubt"].state is State.WAITING


def test_a_conversation_keeps_its_account_while_an_earlier_message_is_in_doubt(
    world: PhoneWorld,
) -> None:
    """Its account is ready, so the doubt ends soon; the next message does not go by another number."""
    world.submit("doubt", account="a")
    world.conclude(Deferred(error=Error("attempt_in_doubt"), in_doubt=True))
    world.submit("next")
    assert dispatches(world) == [("doubt", "a")]
    assert world.row is not None
    world.now_s = world.row.timer_at_s
    world.fire_timer()
    send_all(world)
    assert dispatches(world)[1:] == [("doubt", "a"), ("next", "a")]


def test_a_doubt_that_ends_unsent_goes_before_what_came_after_it(world: PhoneWorld) -> None:
    """It keeps its arrival, also when any account may take it again."""
    set_accounts(world, b=DOWN)
    world.submit("1")
    world.submit("2")
    world.conclude(Deferred(error=Error("attempt_in_doubt"), in_doubt=True))
    assert world.row is not None
    world.now_s = world.row.timer_at_s
    world.fire_timer()
    world.conclude(Failed(error=Error("page_crashed")))
    world.now_s = world.row.timer_at_s
    world.fire_timer()
    send_all(world)
    assert dispatches(world) == [("1", "a"), ("1", "a"), ("1", "a"), ("2", "a")]


def test_positions_count_what_is_ahead(world: PhoneWorld) -> None:
    """A new message has every message of its own and of higher priorities ahead."""
    set_accounts(world, a=DOWN, b=DOWN)
    world.submit("1")
    world.submit("2", account="a")
    world.submit("3", priority="urgent")
    world.submit("4", priority="bulk")
    accepted = {
        e.id: e.queue_position
        for e in world.effects
        if isinstance(e, PublishStatus) and e.status == "accepted"
    }
    assert accepted == {"1": 0, "2": 1, "3": 0, "4": 3}


def test_a_message_expires_wherever_it_stands(world: PhoneWorld) -> None:
    """It does not wait until it is the first of its queue, whose account may be down for days."""
    set_accounts(world, a=DOWN)
    world.submit("first", account="a")
    world.submit("second", account="a", expires_at_s=world.now_s + 10)
    world.submit("third", account="a")
    world.apply(ScheduleDue(phone=PHONE, id="second"))
    assert world.statuses("second") == ["accepted"], "it came too early"
    world.now_s += 10
    world.apply(ScheduleDue(phone=PHONE, id="second"))
    assert world.statuses("second") == ["accepted", "expired"]
    set_accounts(world, a=READY)
    world.fire_timer()
    send_all(world)
    assert dispatches(world) == [("first", "a"), ("third", "a")]
