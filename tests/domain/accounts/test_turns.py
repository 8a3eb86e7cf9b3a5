"""Whose turn it is, when phones wait for accounts that are closed to them: each is woken once, none for ever."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.routing import Availability, Capacity, choose_account
from streams.domain.phone.scheduling.scheduler import Scheduler
from streams.domain.phone.state import InFlight, Phone, Wait

READY = Availability.READY


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
    assert scheduler.wake_phones(Availabilities({"main": READY}, {"main"})) == []
    assert [
        timer.phone for timer in scheduler.wake_phones(Availabilities({"main": READY}, {"other"}))
    ] == ["a"]


def test_a_closed_account_wakes_no_phone_and_holds_none_back() -> None:
    """Its free slots are for the others; an account that nobody knew of yet wakes the phone."""
    scheduler = Scheduler(max_in_flight=1)
    scheduler.update("a", closed_to("a", "main"))
    assert scheduler.wake_phones(Availabilities({"main": READY})) == []
    assert scheduler.get_capacities("b", Availabilities({"main": READY})) == {
        "main": Capacity(True, 1)
    }
    wakes = scheduler.wake_phones(Availabilities({"main": READY, "new": READY}))
    assert [timer.phone for timer in wakes] == ["a"]
    capacities = scheduler.get_capacities("b", Availabilities({"main": READY, "new": READY}))
    assert capacities == {"main": Capacity(True, 1), "new": Capacity(True, 0)}


def test_the_capacity_says_who_may_open_chats() -> None:
    """The others are left for conversations."""
    scheduler = Scheduler(max_in_flight=1)
    capacities = scheduler.get_capacities(
        "a", Availabilities({"main": READY, "other": READY}, {"main"})
    )
    assert [capacities[name].is_new_chat_allowed for name in ("main", "other")] == [False, True]


phones = st.dictionaries(
    st.sampled_from("stuvw"), st.sets(st.sampled_from("abc")), min_size=1, max_size=5
)


@given(
    closed_accounts=phones,
    ready_or_not=st.dictionaries(st.sampled_from("abc"), st.sampled_from(Availability)),
    without_new_chats=st.sets(st.sampled_from("abc")),
    slots=st.integers(1, 2),
)
@settings(deadline=None)
def test_waking_comes_to_rest(
    closed_accounts: dict[str, set[str]],
    ready_or_not: dict[str, Availability],
    without_new_chats: set[str],
    slots: int,
) -> None:
    """While no account changes, no phone is woken for ever, and none waits for its account although it is free."""
    availabilities = Availabilities(ready_or_not, without_new_chats)
    scheduler = Scheduler(max_in_flight=slots)
    rows = {phone: Phone(phone=phone) for phone in closed_accounts}

    def step(phone: str) -> None:
        closed = closed_accounts[phone]
        capacities = scheduler.get_capacities(phone, availabilities)
        choice = choose_account(None, None, capacities, closed, phone=phone)
        version = rows[phone].timer_version + 1
        if choice.account is not None:
            in_flight = InFlight(id="m", account=choice.account, dispatch_number=1)
            rows[phone] = Phone(phone=phone, timer_version=version, in_flight=in_flight)
        else:
            assert choice.blocked_reason is not None
            wait = Wait(
                choice.blocked_reason,
                choice.required_account,
                closed_accounts=tuple(sorted(closed - without_new_chats)),
                without_new_chats=tuple(sorted(closed & without_new_chats)),
            )
            rows[phone] = Phone(phone=phone, timer_version=version, waits=(wait,))
        scheduler.update(phone, rows[phone])

    for phone in rows:
        step(phone)
    for _ in range(20):
        wakes = scheduler.wake_phones(availabilities)
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
        if row.in_flight is None and row.waits[0].reason == "account_busy":
            assert row.waits[0].account not in free
        elif row.in_flight is None:
            assert free <= closed_accounts[phone]
