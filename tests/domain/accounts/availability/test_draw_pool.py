"""The draw among many accounts at once gives the account that the definition gives, which looks at one by one."""

from collections.abc import Mapping
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.availability.drawing import DrawPool, draw_number
from streams.domain.accounts.routing import NOT_READY, Availability, Capacity, choose_account
from streams.domain.phone.scheduling.scheduler import Scheduler
from streams.testing.fixed_capacities import FixedCapacities

NAMES: Final = tuple(f"account-{number}" for number in range(8))
PHONES: Final = tuple(f"+60{number}" for number in range(123_450_000, 123_450_020))
WEIGHTS: Final = {"account-0": 3.0, "account-1": 0.0, "account-2": 0.0, "account-3": 2.5}
names = st.sampled_from(NAMES)


def choose_by_definition(
    phone: str,
    accounts: Mapping[str, Availability],
    without: frozenset[str],
    closed: frozenset[str],
) -> str | None:
    """The account of a new conversation, among accounts with free slots."""
    capacities = {
        name: Capacity(
            availability not in NOT_READY,
            1,
            name not in without,
            weight=WEIGHTS.get(name, 1.0),
        )
        for name, availability in accounts.items()
    }
    return FixedCapacities(capacities).draw(phone, closed)


class ChangingAccounts(RuleBasedStateMachine):
    """Accounts that change one by one, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.availabilities = Availabilities(weights=WEIGHTS)
        self.scheduler = Scheduler(8)
        self.accounts: dict[str, Availability] = {}
        self.without: frozenset[str] = frozenset()
        self.closed: frozenset[str] = frozenset()

    @rule(name=names, availability=st.sampled_from(Availability))
    def an_account_changes(self, name: str, availability: Availability) -> None:
        self.availabilities.set(name, availability)
        self.accounts[name] = availability

    @rule(name=names)
    def an_account_goes(self, name: str) -> None:
        self.availabilities.set(name, None)
        self.accounts.pop(name, None)

    @rule(name=names, is_allowed=st.booleans())
    def new_chats_change(self, name: str, is_allowed: bool) -> None:
        self.availabilities.set_new_chats(name, is_allowed=is_allowed)
        self.without = self.without - {name} if is_allowed else self.without | {name}

    @rule(closed=st.frozensets(names))
    def others_are_closed(self, closed: frozenset[str]) -> None:
        self.closed = closed

    @invariant()
    def the_choice_is_that_of_the_definition(self) -> None:
        for phone in PHONES:
            expected = choose_by_definition(phone, self.accounts, self.without, self.closed)
            capacities = self.scheduler.get_capacities(phone, self.availabilities)
            choice = choose_account(None, None, capacities, self.closed, phone=phone)
            assert (choice.account or choice.required_account) == expected

    @invariant()
    def whether_any_is_ready_is_counted(self) -> None:
        ready = {name for name, each in self.accounts.items() if each not in NOT_READY}
        for name in (None, *NAMES):
            assert self.availabilities.is_any_ready(name) == bool(ready - {name})
        free = {name for name, each in self.accounts.items() if each is Availability.READY}
        assert self.availabilities.ready == free


TestChangingAccounts = ChangingAccounts.TestCase


def test_the_highest_of_a_thousand_wins() -> None:
    """With so many, several have the same first byte."""
    pool, accounts = DrawPool(), [f"account-{number}" for number in range(1000)]
    for account in accounts:
        pool.add(account, 1.0)
    for phone in PHONES:
        winner = max(accounts, key=lambda account: draw_number(phone, account))
        assert pool.draw(phone) == winner
        second = max({*accounts} - {winner}, key=lambda account: draw_number(phone, account))
        assert pool.draw(phone, {winner}) == second


@given(order=st.permutations(NAMES))
def test_the_order_in_which_accounts_came_counts_nothing(order: list[str]) -> None:
    """So two dispatchers that have read the records in another order choose the same account."""
    pool, other = DrawPool(), DrawPool()
    for name in NAMES:
        pool.add(name, 1.0)
    for name in order:
        other.add(name, 2.0)
        other.add(name, 1.0)  # its weight has changed
    assert [pool.draw(phone) for phone in PHONES] == [other.draw(phone) for phone in PHONES]
