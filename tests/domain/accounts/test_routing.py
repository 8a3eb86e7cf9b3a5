"""Which account takes a message, while some are closed to its phone or may open no new chats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.routing import AccountChoice, Capacity, choose_account
from streams.testing.fixed_capacities import FixedCapacities

PHONE = "+60123456789"
BOTH = {"main": Capacity(True, 8), "other": Capacity(True, 2)}


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
            AccountChoice(blocked_reason="account_busy", required_account="other"),
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
            AccountChoice(blocked_reason="account_busy", required_account="other"),
        ),
    ],
    ids=["other", "all", "required", "busy", "last-choice", "conversation", "waits"],
)
def test_routing(
    required: str | None,
    preferred: str | None,
    accounts: dict[str, Capacity],
    closed: set[str],
    choice: AccountChoice,
) -> None:
    """A closed account is ignored; one that may open no chats is taken last, except for its conversation."""
    assert (
        choose_account(required, preferred, FixedCapacities(accounts), closed, phone=PHONE)
        == choice
    )


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
    """And a message without a required account and conversation waits only for its own account."""
    choice = choose_account(required, preferred, FixedCapacities(accounts), closed, phone=PHONE)
    usable = {n for n, c in accounts.items() if c.is_ready and c.free_slots and n not in closed}
    assert (choice.account is None) == (choice.blocked_reason is not None)
    if choice.account is not None:
        assert choice.account in usable
        assert required in (None, choice.account)
    elif choice.blocked_reason == "account_busy":
        assert choice.required_account is not None
        assert accounts[choice.required_account].free_slots == 0
    elif required is None and preferred is None:
        assert not usable
