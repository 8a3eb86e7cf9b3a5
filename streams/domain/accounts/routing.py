"""Which account sends a message: the required one, else the phone's last one, else the phone's own one.

Decides for one message from what the accounts can do now. An account that is closed to the phone is
ignored: it has handed a message back because WhatsApp forbids it to write to this recipient. Whose turn
it is among phones is not decided here (scheduler.py).

A new conversation gets its account by weighted rendezvous hashing (availability/drawing.py): each account draws a
number from its name and the phone, and the highest one wins. So conversations are spread by weight, and each partition
decides alone. When an account comes or goes, only the conversations that it wins or loses move. A recipient who was
forgotten gets the same account again, and not a stranger's number. The conversation waits for this account while it is
busy: with "the first one that is free", the speed of the accounts would decide, and not their weights.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final, Literal, TypeAlias

import msgspec

BlockedReason: TypeAlias = Literal["no_account", "account_busy"]

# A conversation waits for its account for at most this long: an account that its pace or a cap holds for longer
# hands its conversations to others.
MAX_BUSY_S: Final = 120.0
DEFAULT_WEIGHT: Final = 1.0


class Availability(StrEnum):
    """What an account can do now."""

    READY = "ready"
    BUSY = "busy"  # ready, but its pace lets it send nothing for a time
    CAPPED = "capped"  # ready, but it may send nothing for longer than `MAX_BUSY_S`
    DOWN = "down"
    REMOVED = "removed"  # by a person


NOT_READY: Final = (Availability.DOWN, Availability.CAPPED, Availability.REMOVED)


class Capacity(msgspec.Struct, frozen=True):
    """What an account can take now. `free_slots`: how many more dispatches it may have.

    Without `is_new_chat_allowed` it may write only to people who have written to it.
    """

    is_ready: bool
    free_slots: int
    is_new_chat_allowed: bool = True
    is_removed: bool = False  # by a person: there is no such account any more
    weight: float = (
        DEFAULT_WEIGHT  # its share of new conversations; 0: only what no other account takes
    )


class AccountCapacities(Mapping[str, Capacity]):
    """The accounts with their capacities, by name. Few of them are asked for, so none need exist before it is."""

    @abstractmethod
    def draw(self, phone: str, closed_accounts: Collection[str]) -> str | None:
        """The account of a new conversation, leaving out the closed ones; None: no other is ready.

        One that may open no chats is the last choice.
        """

    @abstractmethod
    def is_any_ready(self, except_account: str | None = None) -> bool:
        """Whether an account besides this one is ready, also if it has no free slot now."""


def is_removed(account: str | None, accounts: AccountCapacities) -> bool:
    """Whether a person has removed this account. One that is only not known may come back."""
    capacity = accounts.get(account) if account is not None else None
    return capacity is not None and capacity.is_removed


class AccountChoice(msgspec.Struct, frozen=True):
    """The account, or why there is none now: all are busy, or none is ready."""

    account: str | None = None
    blocked_reason: BlockedReason | None = None
    required_account: str | None = None  # the only account that will do; None: any


def choose_account(
    required_account: str | None,
    preferred_account: str | None,
    accounts: AccountCapacities,
    closed_accounts: Collection[str] = (),
    *,
    phone: str,
) -> AccountChoice:
    """The account for the next message of a phone.

    `required_account`: the caller, or an attempt in doubt, allows no other. `preferred_account`: the
    phone's last one. It is kept while it is ready, even when others are freer, so that a conversation
    keeps its sender. `closed_accounts` will not do for this phone now.
    """
    if required_account is not None:
        return _try_account(required_account, accounts, closed_accounts)
    if preferred_account is not None and _is_usable(preferred_account, accounts, closed_accounts):
        return _try_account(preferred_account, accounts, closed_accounts)
    drawn = accounts.draw(phone, closed_accounts)
    if drawn is None:
        return AccountChoice(blocked_reason="no_account")
    return _try_account(drawn, accounts, closed_accounts)


def _is_usable(name: str, accounts: AccountCapacities, closed_accounts: Collection[str]) -> bool:
    capacity = accounts.get(name)
    return capacity is not None and capacity.is_ready and name not in closed_accounts


def parse_weights(texts: Iterable[str]) -> dict[str, float]:
    """The weights of accounts, from texts like `main=2`."""
    pairs = (text.partition("=") for text in texts)
    return {account: float(weight) for account, _, weight in pairs}


def is_any_ready(
    required_account: str | None, accounts: AccountCapacities, except_account: str | None = None
) -> bool:
    """Whether an account besides this one is ready that may have the message, also if it has no free slot now."""
    if required_account is None:
        return accounts.is_any_ready(except_account)
    capacity = accounts.get(required_account)
    return required_account != except_account and capacity is not None and capacity.is_ready


def _try_account(
    name: str, accounts: AccountCapacities, closed_accounts: Collection[str]
) -> AccountChoice:
    if not _is_usable(name, accounts, closed_accounts):
        return AccountChoice(blocked_reason="no_account", required_account=name)
    if accounts[name].free_slots > 0:
        return AccountChoice(account=name)
    return AccountChoice(blocked_reason="account_busy", required_account=name)
