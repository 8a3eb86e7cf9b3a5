"""Which account sends a message: the required one, else the phone's last one, else the freest ready one.

Decides for one message from what the accounts can do now. Whose turn it is among phones is not decided
here (scheduler.py).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

BlockedReason: TypeAlias = Literal["no_account", "account_busy"]


class Availability(StrEnum):
    """What an account can do now."""

    READY = "ready"
    BUSY = "busy"  # ready, but its pace lets it send nothing for a time
    DOWN = "down"


class Capacity(msgspec.Struct, frozen=True):
    """What an account can take now. `free_slots`: how many more dispatches it may have."""

    is_ready: bool
    free_slots: int


AccountCapacities: TypeAlias = Mapping[str, Capacity]


class AccountChoice(msgspec.Struct, frozen=True):
    """The account, or why there is none now: all are busy, or none is ready."""

    account: str | None = None
    blocked_reason: BlockedReason | None = None
    required_account: str | None = None  # the only account that will do; None: any


def choose_account(
    required_account: str | None, preferred_account: str | None, accounts: AccountCapacities
) -> AccountChoice:
    """The account for the next message of a phone.

    `required_account`: the caller, or an attempt in doubt, allows no other. `preferred_account`: the
    phone's last one. It is kept while it is ready, even when others are freer, so that a conversation
    keeps its sender.
    """
    if required_account is not None:
        return _try_account(required_account, accounts)
    preferred = accounts.get(preferred_account) if preferred_account is not None else None
    if preferred_account is not None and preferred is not None and preferred.is_ready:
        return _try_account(preferred_account, accounts)
    ready_accounts = [name for name, capacity in accounts.items() if capacity.is_ready]
    if not ready_accounts:
        return AccountChoice(blocked_reason="no_account")
    freest = max(ready_accounts, key=lambda name: (accounts[name].free_slots, name))
    if accounts[freest].free_slots == 0:
        return AccountChoice(blocked_reason="account_busy")
    return AccountChoice(account=freest)


def _try_account(name: str, accounts: AccountCapacities) -> AccountChoice:
    capacity = accounts.get(name)
    if capacity is None or not capacity.is_ready:
        return AccountChoice(blocked_reason="no_account", required_account=name)
    if capacity.free_slots > 0:
        return AccountChoice(account=name)
    return AccountChoice(blocked_reason="account_busy", required_account=name)
