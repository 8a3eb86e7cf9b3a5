"""Which account sends a message: the one asked for, else the phone's own, else the freest that is ready."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Able(StrEnum):
    """What an account can do now."""

    READY = "ready"
    BUSY = "busy"  # ready, but its pace lets nothing go for a time
    DOWN = "down"


class Standing(msgspec.Struct, frozen=True):
    """What the dispatcher knows of an account. `free`: how many more releases it may be given now."""

    ready: bool
    free: int


Accounts = Mapping[str, Standing]


class Choice(msgspec.Struct, frozen=True):
    """The account, or why there is none now: `turn` (all are busy) or `no_account` (none is ready)."""

    account: str | None = None
    blocked: str = ""
    waits_for: str | None = None  # the only account that would do; None: any


def choose(only: str | None, own: str | None, accounts: Accounts) -> Choice:
    """The account for the next message of a phone.

    `only`: the caller or an unsettled claim allows no other. `own`: what the phone had last; it is
    kept as long as it is ready, even when others are freer, so that a conversation keeps its sender.
    """
    if only is not None:
        return _take(only, accounts)
    if own is not None and own in accounts and accounts[own].ready:
        return _take(own, accounts)
    ready = [name for name, standing in accounts.items() if standing.ready]
    if not ready:
        return Choice(blocked="no_account")
    freest = max(ready, key=lambda name: (accounts[name].free, name))
    return Choice(account=freest) if accounts[freest].free > 0 else Choice(blocked="turn")


def _take(name: str, accounts: Accounts) -> Choice:
    standing = accounts.get(name)
    if standing is None or not standing.ready:
        return Choice(blocked="no_account", waits_for=name)
    if standing.free > 0:
        return Choice(account=name)
    return Choice(blocked="turn", waits_for=name)
