"""How new conversations are spread over the accounts: by weight, and only those of an account that changed move."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.routing import (
    MAX_BUSY_S,
    Availability,
    Capacity,
    choose_account,
    parse_weights,
)
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import Deferred
from streams.domain.phone.scheduling.scheduler import Scheduler
from streams.testing.fixed_capacities import FixedCapacities
from streams.testing.phone_world import PhoneWorld

PHONES = tuple(f"+60{number}" for number in range(123_450_000, 123_451_000))
NAMES = ("main", "sales", "support", "a", "b", "c", "account-7", "account-8")
weights = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 5), min_size=1, max_size=8)


def assign(weights: Mapping[str, float], phones: tuple[str, ...] = PHONES) -> dict[str, str]:
    """The account of each phone, if all accounts are idle."""
    accounts = {name: Capacity(True, 1, weight=weight) for name, weight in weights.items()}
    choices = {
        phone: choose_account(None, None, FixedCapacities(accounts), phone=phone)
        for phone in phones
    }
    return {phone: choice.account or "" for phone, choice in choices.items()}


@given(weights=weights)
@settings(max_examples=30)
def test_conversations_are_spread_by_weight(weights: dict[str, int]) -> None:
    """Over 1,000 phones and 1 to 8 accounts, no share is further than seven per cent of all from its weight."""
    counts = Counter(assign(weights).values())
    for name, weight in weights.items():
        expected = 1000 * weight / sum(weights.values())
        assert abs(counts[name] - expected) <= 70


@given(weights=weights, name=st.sampled_from(NAMES), weight=st.integers(1, 5))
@settings(max_examples=30)
def test_only_affected_conversations_move(weights: dict[str, int], name: str, weight: int) -> None:
    """An account that comes takes conversations and moves no other one; when it goes, they come back."""
    others = {other: each for other, each in weights.items() if other != name} or {"last": 1}
    without, with_it = assign(others), assign(others | {name: weight})
    for phone in PHONES:
        assert with_it[phone] in (name, without[phone])


def test_idle_accounts_share_a_campaign() -> None:
    """Three idle accounts once got 156, 4 and 0 of 160 messages: each tie went to the last name."""
    counts = Counter(assign({"main": 1, "sales": 1, "support": 1}, PHONES[:160]).values())
    assert min(counts.values()) > 35


def test_an_account_without_weight_takes_what_no_other_can() -> None:
    """So it can be phased out, and is still better than none."""
    assert set(assign({"main": 0, "sales": 1}).values()) == {"sales"}
    assert set(assign({"main": 0, "sales": 0}).values()) == {"main", "sales"}


def test_a_capped_account_hands_its_conversations_to_others() -> None:
    """Also those that it has already; while every account is capped, a message waits for any of them."""
    scheduler, weights = Scheduler(max_in_flight=2), parse_weights(["main=2"])
    capped, ready = Availability.CAPPED, Availability.READY
    capacities = scheduler.get_capacities(
        "p", Availabilities({"main": capped, "sales": ready}, weights=weights)
    )
    assert capacities["main"].weight == 2
    assert choose_account(None, "main", capacities, phone="p").account == "sales"
    capacities = scheduler.get_capacities(
        "p", Availabilities({"main": capped, "sales": capped}, weights=weights)
    )
    choice = choose_account(None, "main", capacities, phone="p")
    assert (choice.blocked_reason, choice.required_account) == ("no_account", None)


@pytest.mark.parametrize(
    ("held_s", "account"), [(MAX_BUSY_S + 3600, "other"), (MAX_BUSY_S / 2, "main")]
)
def test_a_message_that_a_cap_sends_back_moves(held_s: float, account: str) -> None:
    """It does not wait a day for its account while another one is ready; a minute is waited for."""
    world = PhoneWorld(accounts={"main": Capacity(True, 8)})
    world.submit("a")
    world.accounts = {"main": Capacity(True, 8), "other": Capacity(True, 8)}
    world.conclude(Deferred(error=Error("account_daily_cap"), until_s=world.now_s + held_s))
    world.accounts = {"main": Capacity(held_s < MAX_BUSY_S, 8), "other": Capacity(True, 8)}
    world.now_s += 61
    world.fire_timer()
    dispatches = [effect for effect in world.effects if isinstance(effect, Dispatch)]
    assert [each.account for each in dispatches] == ["main", account]
