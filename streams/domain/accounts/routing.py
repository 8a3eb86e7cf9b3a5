"""Which account sends a message: the one asked for, else the phone's own, else the freest that is ready."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Availability(StrEnum):
    """What an account can do now."""

    READY = "ready"
    BUSY = "busy"  # ready, but its pace lets nothing go for a time
    DOWN = "down"


class Capacity(msgspec.Struct, frozen=True):
    """What the dispatcher knows of an account. `free`: how many more releases it may be given now."""

    is_ready: bool
    free_slots: int


AccountCapacities = Mapping[str, Capacity]


class AccountChoice(msgspec.Struct, frozen=True):
    """The account, or why there is none now: `account_busy` (all are busy) or `no_account` (none is ready)."""

    account: str | None = None
    blocked_reason: str = ""
    required_account: str | None = None  # the only account that would do; None: any


def choose_account(
    required_account: str | None, preferred_account: str | None, accounts: AccountCapacities
) -> AccountChoice:
    """The account for the next message of a phone.

    `only`: the caller or an unsettled claim allows no other. `own`: what the phone had last; it is
    kept as long as it is ready, even when others are freer, so that a conversation keeps its sender.
    """
    if required_account is not None:
        return _try_account(required_account, accounts)
    if (
        preferred_account is not None
        and preferred_account in accounts
        and accounts[preferred_account].is_ready
    ):
        return _try_account(preferred_account, accounts)
    ready_accounts = [name for name, capacity in accounts.items() if capacity.is_ready]
    if not ready_accounts:
        return AccountChoice(blocked_reason="no_account")
    freest = max(ready_accounts, key=lambda name: (accounts[name].free_slots, name))
    return (
        AccountChoice(account=freest)
        if accounts[freest].free_slots > 0
        else AccountChoice(blocked_reason="account_busy")
    )


def _try_account(name: str, accounts: AccountCapacities) -> AccountChoice:
    capacity = accounts.get(name)
    if capacity is None or not capacity.is_ready:
        return AccountChoice(blocked_reason="no_account", required_account=name)
    if capacity.free_slots > 0:
        return AccountChoice(account=name)
    return AccountChoice(blocked_reason="account_busy", required_account=name)
