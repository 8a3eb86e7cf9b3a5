"""Accounts that may not write to a recipient now: another one takes the message, or it waits for the end."""

import pytest

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, PublishStatus
from streams.domain.phone.events import Deferred, Sent
from streams.domain.phone.state import Closure, Wait, decode_phone, encode_phone
from streams.testing.phone_world import PhoneWorld

REFUSED = Error("new_chats_restricted")
LOCKED = Capacity(True, 8, is_new_chat_allowed=False)
BOTH = {"main": Capacity(True, 8), "other": Capacity(True, 2)}
MAIN_LOCKED = {"main": LOCKED, "other": Capacity(True, 2)}
BOTH_LOCKED = {"main": LOCKED, "other": LOCKED}


@pytest.fixture
def world() -> PhoneWorld:
    """A phone with one account, which may open no new chats."""
    return PhoneWorld(accounts={"main": LOCKED})


def hand_back(world: PhoneWorld, until_s: float, *, in_doubt: bool = False) -> None:
    """The sender may not write to this recipient before then."""
    error = Error("attempt_in_doubt") if in_doubt else REFUSED
    world.conclude(Deferred(error=error, until_s=until_s, in_doubt=in_doubt))


def dispatches(world: PhoneWorld) -> list[tuple[str, str]]:
    """What was dispatched so far, and to which account."""
    return [(e.id, e.account) for e in world.effects if isinstance(e, Dispatch)]


def last_queued(world: PhoneWorld) -> PublishStatus:
    """The last `queued`."""
    return [e for e in world.effects if isinstance(e, PublishStatus) and e.status == "queued"][-1]


def test_another_account_takes_it_at_once(world: PhoneWorld) -> None:
    """It was never submitted, so nothing pins it; the closed account is not asked again."""
    world.accounts = {"main": BOTH["main"]}
    world.submit("a")
    world.accounts = MAIN_LOCKED
    hand_back(world, world.now_s + 600)
    assert dispatches(world) == [("a", "main"), ("a", "other")]
    assert world.statuses("a") == ["accepted"]
    world.conclude(Sent(at_s=world.now_s))
    world.submit("b")
    assert dispatches(world)[-1] == ("b", "other")
    assert world.messages["a"].attempts == 1, "only the one that sent it counts"


def test_without_another_account_it_waits_until_the_end(world: PhoneWorld) -> None:
    """Its status names that time; the phone is woken then, and the same account is asked again."""
    until_s = world.now_s + 600
    world.submit("a")
    hand_back(world, until_s)
    queued = last_queued(world)
    assert (queued.reason, queued.due_at_s) == ("no_account", until_s)
    assert world.row is not None
    assert world.row.timer_at_s == until_s
    assert world.row.closures == {"main": Closure(until_s=until_s, retry_at_s=world.now_s + 0.5)}
    assert world.row.waits == (Wait("no_account", None, 1, without_new_chats=("main",)),)
    assert decode_phone(encode_phone(world.row)) == world.row
    world.now_s = until_s
    world.fire_timer()
    assert dispatches(world) == [("a", "main"), ("a", "main")]
    assert world.row.closures == {}


def test_an_account_that_may_open_chats_again_opens_at_once(world: PhoneWorld) -> None:
    """A time lock that WhatsApp lifts early, or a new quota: the message does not wait for the old end."""
    world.submit("a")
    hand_back(world, world.now_s + 86_400)
    world.now_s += 60
    world.accounts = {"main": Capacity(True, 8)}
    world.fire_timer()
    assert dispatches(world) == [("a", "main"), ("a", "main")]


def test_the_first_account_that_opens_again_is_the_one_that_counts(world: PhoneWorld) -> None:
    """Both are closed; the message waits for the earlier end, and for no other account."""
    world.accounts = BOTH_LOCKED
    world.submit("a")
    hand_back(world, world.now_s + 600)
    hand_back(world, world.now_s + 60)
    assert last_queued(world).due_at_s == world.now_s + 60
    world.now_s += 60
    world.fire_timer()
    _, second, third = dispatches(world)
    assert third == second


def test_a_message_of_one_account_waits_for_it(world: PhoneWorld) -> None:
    """The caller named the account; a message that names none goes to the other one meanwhile."""
    world.accounts = MAIN_LOCKED
    until_s = world.now_s + 600
    world.submit("a", account="main")
    hand_back(world, until_s)
    assert dispatches(world) == [("a", "main")]
    assert last_queued(world).due_at_s == until_s
    world.submit("b", "urgent")
    assert dispatches(world)[-1] == ("b", "other")


def test_an_attempt_in_doubt_goes_to_its_account_all_the_same(world: PhoneWorld) -> None:
    """Only its own account can find out what became of it, also while that one is closed to the phone."""
    world.accounts = {"main": BOTH["main"]}
    world.submit("a")
    hand_back(world, 0.0, in_doubt=True)
    assert world.row is not None
    assert world.row.closures == {}
    world.accounts = MAIN_LOCKED
    world.submit("u", "urgent", account="main")
    hand_back(world, world.now_s + 600)
    world.now_s += 30
    world.fire_timer()
    assert dispatches(world)[-1] == ("a", "main")


@pytest.mark.parametrize(
    ("account", "until_s"),
    [
        (LOCKED, 0.0),
        (LOCKED, 999_000.0),
        (Capacity(True, 8), 0.0),
        (Capacity(True, 8), 9_000_000.0),
    ],
)
def test_a_contradiction_does_not_make_a_loop(
    world: PhoneWorld, account: Capacity, until_s: float
) -> None:
    """The end is over, or the account's record allows what its page refuses: it is asked later and later."""
    world.accounts = {"main": account}
    world.submit("a")
    gaps_s: list[float] = []
    for _ in range(8):
        hand_back(world, until_s)
        assert world.row is not None
        gaps_s.append(world.row.timer_at_s - world.now_s)
        world.now_s = world.row.timer_at_s
        world.fire_timer()
    assert gaps_s == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_restricted_account_does_not_hold_back_a_message_from_another(world: PhoneWorld) -> None:
    """Its record says that it is restricted; the message waits for no end of that."""
    world.submit("a")
    until_s = world.now_s + 86_400
    world.conclude(Deferred(error=Error("account_restricted"), until_s=until_s))
    assert last_queued(world).due_at_s == until_s
    world.accounts = {"main": Capacity(False, 0), "other": Capacity(True, 1)}
    world.now_s += 1
    world.fire_timer()
    assert dispatches(world) == [("a", "main"), ("a", "other")]
