"""Accounts that may not write to a recipient now: another one takes the message, or it waits for the end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.accounts.routing import (
    AccountChoice,
    Availability,
    Capacity,
    choose_account,
)
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, PublishStatus
from streams.domain.phone.events import Deferred, Sent, TimerFired
from streams.domain.phone.scheduler import Scheduler
from streams.domain.phone.state import (
    Closure,
    InFlight,
    Phone,
    Wait,
    decode_phone,
    encode_phone,
)
from streams.testing.phone_world import PHONE, PhoneWorld

REFUSED = Error("new_chats_restricted")
LOCKED = Capacity(True, 8, is_new_chat_allowed=False)
BOTH = {"main": Capacity(True, 8), "other": Capacity(True, 2)}
MAIN_LOCKED = {"main": LOCKED, "other": Capacity(True, 2)}
BOTH_LOCKED = {"main": LOCKED, "other": LOCKED}
READY, DOWN = Availability.READY, Availability.DOWN


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


def wake(world: PhoneWorld) -> None:
    """The timer of the row fires."""
    assert world.row is not None
    world.apply(TimerFired(phone=PHONE, timer_version=world.row.timer_version))


def last_queued(world: PhoneWorld) -> PublishStatus:
    """The last `queued`."""
    return [e for e in world.effects if isinstance(e, PublishStatus) and e.status == "queued"][-1]


# -- the phone


def test_another_account_takes_it_at_once(world: PhoneWorld) -> None:
    """It was never submitted, so nothing pins it; the closed account is not asked again."""
    world.accounts = BOTH
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
    wake(world)
    assert dispatches(world) == [("a", "main"), ("a", "main")]
    assert world.row.closures == {}


def test_an_account_that_may_open_chats_again_opens_at_once(world: PhoneWorld) -> None:
    """A time lock that WhatsApp lifts early, or a new quota: the message does not wait for the old end."""
    world.submit("a")
    hand_back(world, world.now_s + 86_400)
    world.now_s += 60
    world.accounts = {"main": Capacity(True, 8)}
    wake(world)
    assert dispatches(world) == [("a", "main"), ("a", "main")]


def test_the_first_account_that_opens_again_is_the_one_that_counts(world: PhoneWorld) -> None:
    """Both are closed; the message waits for the earlier end, and for no other account."""
    world.accounts = BOTH_LOCKED
    world.submit("a")
    hand_back(world, world.now_s + 600)
    hand_back(world, world.now_s + 60)
    assert last_queued(world).due_at_s == world.now_s + 60
    world.now_s += 60
    wake(world)
    assert dispatches(world)[-1] == ("a", "main")


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
    world.accounts = BOTH
    world.submit("a")
    hand_back(world, 0.0, in_doubt=True)
    assert world.row is not None
    assert world.row.closures == {}
    world.accounts = MAIN_LOCKED
    world.submit("u", "urgent", account="main")
    hand_back(world, world.now_s + 600)
    world.now_s += 30
    wake(world)
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
        wake(world)
    assert gaps_s == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_restricted_account_does_not_hold_back_a_message_from_another(world: PhoneWorld) -> None:
    """Its record says that it is restricted; the message waits for no end of that."""
    world.submit("a")
    until_s = world.now_s + 86_400
    world.conclude(Deferred(error=Error("account_restricted"), until_s=until_s))
    assert last_queued(world).due_at_s == until_s
    world.accounts = {"main": Capacity(False, 0), "other": Capacity(True, 1)}
    world.now_s += 1
    wake(world)
    assert dispatches(world) == [("a", "main"), ("a", "other")]


# -- routing


@pytest.mark.parametrize(
    ("required", "preferred", "accounts", "closed", "choice"),
    [
        (None, "main", BOTH, {"main"}, AccountChoice(account="other")),
        (None, None, BOTH, {"main", "other"}, AccountChoice(blocked_reason="no_account")),
        (
            "main",
            None,
            BOTH,
            {"main"},
            AccountChoice(blocked_reason="no_account", required_account="main"),
        ),
        (
            None,
            None,
            {"main": Capacity(True, 8), "other": Capacity(True, 0)},
            {"main"},
            AccountChoice(blocked_reason="account_busy"),
        ),
        (
            None,
            None,
            {"main": Capacity(True, 8, is_new_chat_allowed=False), "other": Capacity(True, 1)},
            (),
            AccountChoice(account="other"),
        ),
        (
            None,
            "main",
            {"main": Capacity(True, 1, is_new_chat_allowed=False), "other": Capacity(True, 9)},
            (),
            AccountChoice(account="main"),
        ),
        (
            None,
            None,
            {"main": Capacity(True, 1, is_new_chat_allowed=False), "other": Capacity(True, 0)},
            (),
            AccountChoice(account="main"),
        ),
    ],
    ids=["other", "all", "required", "busy", "last-choice", "conversation", "slot"],
)
def test_routing(
    required: str | None,
    preferred: str | None,
    accounts: dict[str, Capacity],
    closed: set[str],
    choice: AccountChoice,
) -> None:
    """A closed account is ignored; one that may open no chats is taken last, except for its conversation."""
    assert choose_account(required, preferred, accounts, closed) == choice


capacities = st.dictionaries(
    st.sampled_from("abcd"), st.builds(Capacity, st.booleans(), st.integers(0, 2), st.booleans())
)


@given(
    required=st.none() | st.sampled_from("abcd"),
    preferred=st.none() | st.sampled_from("abcd"),
    accounts=capacities,
    closed=st.sets(st.sampled_from("abcd")),
)
def test_a_closed_account_is_never_chosen(
    required: str | None, preferred: str | None, accounts: dict[str, Capacity], closed: set[str]
) -> None:
    """And a message without a required account and conversation leaves if any open account has a slot."""
    choice = choose_account(required, preferred, accounts, closed)
    usable = {n for n, c in accounts.items() if c.is_ready and c.free_slots and n not in closed}
    assert (choice.account is None) == (choice.blocked_reason is not None)
    if choice.account is not None:
        assert choice.account in usable
        assert required in (None, choice.account)
    elif required is None and preferred is None:
        assert not usable


# -- whose turn it is


def closed_to(phone: str, *accounts: str, without_new_chats: tuple[str, ...] = ()) -> Phone:
    """A phone that waits for any account but these."""
    wait = Wait("no_account", closed_accounts=accounts, without_new_chats=without_new_chats)
    return Phone(phone=phone, timer_version=1, waits=(wait,))


def test_a_closed_account_wakes_its_phones_when_it_may_open_chats() -> None:
    """As many as it has slots for; those that are closed for another reason wait for their time."""
    scheduler = Scheduler(max_in_flight=1)
    for phone in ("a", "b"):
        scheduler.update(phone, closed_to(phone, without_new_chats=("main",)))
    scheduler.update("c", closed_to("c", "main"))
    assert scheduler.wake_phones({"main": READY}, {"main"}) == []
    assert [timer.phone for timer in scheduler.wake_phones({"main": READY}, {"other"})] == ["a"]


def test_a_closed_account_wakes_no_phone_and_holds_none_back() -> None:
    """Its free slots are for the others; an account that nobody knew of yet wakes the phone."""
    scheduler = Scheduler(max_in_flight=1)
    scheduler.update("a", closed_to("a", "main"))
    assert scheduler.wake_phones({"main": READY}) == []
    assert scheduler.get_capacities("b", {"main": READY}) == {"main": Capacity(True, 1)}
    wakes = scheduler.wake_phones({"main": READY, "new": READY})
    assert [timer.phone for timer in wakes] == ["a"]
    capacities = scheduler.get_capacities("b", {"main": READY, "new": READY})
    assert capacities == {"main": Capacity(True, 1), "new": Capacity(True, 0)}


def test_the_capacity_says_who_may_open_chats() -> None:
    """The others are left for conversations."""
    scheduler = Scheduler(max_in_flight=1)
    capacities = scheduler.get_capacities("a", {"main": READY, "other": READY}, {"main"})
    assert [capacities[name].is_new_chat_allowed for name in ("main", "other")] == [False, True]


phones = st.dictionaries(
    st.sampled_from("stuvw"), st.sets(st.sampled_from("abc")), min_size=1, max_size=5
)


@given(
    closed_accounts=phones,
    availabilities=st.dictionaries(st.sampled_from("abc"), st.sampled_from(Availability)),
    without_new_chats=st.sets(st.sampled_from("abc")),
    slots=st.integers(1, 2),
)
@settings(deadline=None)
def test_waking_comes_to_rest(
    closed_accounts: dict[str, set[str]],
    availabilities: dict[str, Availability],
    without_new_chats: set[str],
    slots: int,
) -> None:
    """While no account changes, no phone is woken for ever, and none waits for a slot that it could have."""
    scheduler = Scheduler(max_in_flight=slots)
    rows = {phone: Phone(phone=phone) for phone in closed_accounts}

    def step(phone: str) -> None:
        closed = closed_accounts[phone]
        capacities = scheduler.get_capacities(phone, availabilities, without_new_chats)
        choice = choose_account(None, None, capacities, closed)
        version = rows[phone].timer_version + 1
        if choice.account is not None:
            in_flight = InFlight(id="m", account=choice.account, dispatch_number=1)
            rows[phone] = Phone(phone=phone, timer_version=version, in_flight=in_flight)
        else:
            assert choice.blocked_reason is not None
            wait = Wait(
                choice.blocked_reason,
                closed_accounts=tuple(sorted(closed - without_new_chats)),
                without_new_chats=tuple(sorted(closed & without_new_chats)),
            )
            rows[phone] = Phone(phone=phone, timer_version=version, waits=(wait,))
        scheduler.update(phone, rows[phone])

    for phone in rows:
        step(phone)
    for _ in range(20):
        wakes = scheduler.wake_phones(availabilities, without_new_chats)
        if not wakes:
            break
        for timer in wakes:
            step(timer.phone)
    else:
        raise AssertionError("phones are woken again and again")
    free = {
        name
        for name, availability in availabilities.items()
        if availability is READY
        and sum(r.in_flight is not None and r.in_flight.account == name for r in rows.values())
        < slots
    }
    for phone, row in rows.items():
        assert row.in_flight is not None or free <= closed_accounts[phone]
