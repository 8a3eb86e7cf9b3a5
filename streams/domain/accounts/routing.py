"""Which account sends a message: the required one, else the phone's last one, else the freest ready one.

Decides for one message from what the accounts can do now. An account that is closed to the phone is
ignored: it has handed a message back because WhatsApp forbids it to write to this recipient. Whose turn
it is among phones is not decided here (scheduler.py).
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

BlockedReason: TypeAlias = Literal["no_account", "account_busy"]


class Availability(StrEnum):
    """What an account can do now."""

    READY = "ready"
    BUSY = "busy"  # ready, but its pace lets it send nothing for a time
    DOWN = "down"
    REMOVED = "removed"  # by a person


class Capacity(msgspec.Struct, frozen=True):
    """What an account can take now. `free_slots`: how many more dispatches it may have.

    Without `is_new_chat_allowed` it may write only to people who have written to it.
    """

    is_ready: bool
    free_slots: int
    is_new_chat_allowed: bool = True
    is_removed: bool = False  # by a person: there is no such account any more


AccountCapacities: TypeAlias = Mapping[str, Capacity]


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
) -> AccountChoice:
    """The account for the next message of a phone.

    `required_account`: the caller, or an attempt in doubt, allows no other. `preferred_account`: the
    phone's last one. It is kept while it is ready, even when others are freer, so that a conversation
    keeps its sender. `closed_accounts` will not do for this phone now.
    """
    usable = {
        name: capacity
        for name, capacity in accounts.items()
        if capacity.is_ready and name not in closed_accounts
    }
    if required_account is not None:
        return _try_account(required_account, usable)
    if preferred_account is not None and preferred_account in usable:
        return _try_account(preferred_account, usable)
    if not usable:
        return AccountChoice(blocked_reason="no_account")
    best = max(usable, key=lambda name: _rank(name, usable[name]))
    if usable[best].free_slots == 0:
        return AccountChoice(blocked_reason="account_busy")
    return AccountChoice(account=best)


def is_any_ready(required_account: str | None, accounts: AccountCapacities) -> bool:
    """Whether an account is ready that may have the message, also if it has no free slot now."""
    return any(
        capacity.is_ready and required_account in (None, name)
        for name, capacity in accounts.items()
    )


def _rank(name: str, capacity: Capacity) -> tuple[bool, bool, int, str]:
    """One that may open no chats is the last choice; but a free slot is never left unused for that."""
    has_free_slot = capacity.free_slots > 0
    return has_free_slot, capacity.is_new_chat_allowed, capacity.free_slots, name


def _try_account(name: str, usable: AccountCapacities) -> AccountChoice:
    capacity = usable.get(name)
    if capacity is None:
        return AccountChoice(blocked_reason="no_account", required_account=name)
    if capacity.free_slots > 0:
        return AccountChoice(account=name)
    return AccountChoice(blocked_reason="account_busy", required_account=name)
