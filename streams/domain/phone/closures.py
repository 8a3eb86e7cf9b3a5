"""The accounts that are closed to a phone: they have handed a message back because it would open a new chat, or
because they cannot write to the group.

Until when an account is closed depends on its record: while it may open no new chats, until the end that
its sender has named; once it may again, only for a short time, in case the record is out of date. Nothing
here routes a message (dispatch.py), and a message with an attempt in doubt has no closed accounts: only
its own account can find out what became of it.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from streams.domain.accounts.routing import AccountCapacities
from streams.domain.phone.state import Closure, Message, State
from streams.domain.phone.transition import Transition


class ClosedAccounts(msgspec.Struct, frozen=True):
    """The accounts that a message cannot have now, and when each of them opens."""

    open_times_s: Mapping[str, float] = {}
    without_new_chats: frozenset[str] = frozenset()  # these open earlier if they may open new chats

    def next_open_s(self, account: str | None) -> float:
        """When this account opens, or the first one if any will do; 0 if none of them is closed."""
        times_s = [at_s for name, at_s in self.open_times_s.items() if account in (name, None)]
        return min(times_s, default=0.0)


def close_account(
    transition: Transition, account: str, *, until_s: float, retry_at_s: float
) -> None:
    """The account may not write to this recipient before then."""
    closure = Closure(until_s=max(until_s, retry_at_s), retry_at_s=retry_at_s)
    transition.update_phone(closures=transition.phone.closures | {account: closure})


def release_to_others(message: Message) -> Message:
    """The message that a closed account handed back: it waits again, for any other account."""
    return replace(
        message,
        state=State.WAITING,
        deferrals=message.deferrals + 1,
        pinned_to=None,
        in_doubt_since_s=0.0,
        last_reason="",  # a `queued` from now on has another time
    )


def close_to_group(transition: Transition, account: str, *, until_s: float) -> None:
    """The account cannot write to this group, whatever its record says."""
    closure = Closure(until_s=until_s, retry_at_s=until_s, is_by_group=True)
    transition.update_phone(closures=transition.phone.closures | {account: closure})


def open_to_group(transition: Transition) -> None:
    """Each account is asked again for the next message."""
    closures = transition.phone.closures
    kept = {name: closure for name, closure in closures.items() if not closure.is_by_group}
    transition.update_phone(closures=kept)


def open_accounts(transition: Transition) -> None:
    """Forget the closures whose time has come."""
    closures = transition.phone.closures
    in_force = {name: c for name, c in closures.items() if c.until_s > transition.now_s}
    if len(in_force) < len(closures):
        transition.update_phone(closures=in_force)


def find_closed(
    transition: Transition, message: Message, accounts: AccountCapacities
) -> ClosedAccounts:
    """What is closed to this message."""
    open_times_s: dict[str, float] = {}
    without_new_chats: set[str] = set()
    if message.pinned_to is not None:
        return ClosedAccounts()
    for name, closure in transition.phone.closures.items():
        capacity = accounts.get(name)
        if closure.is_by_group:
            open_times_s[name] = closure.until_s
        elif capacity is None or not capacity.is_new_chat_allowed:
            open_times_s[name] = closure.until_s
            without_new_chats.add(name)
        elif transition.now_s < closure.retry_at_s:
            open_times_s[name] = closure.retry_at_s
    return ClosedAccounts(open_times_s, frozenset(without_new_chats))
