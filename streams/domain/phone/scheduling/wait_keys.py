"""What phones queue for: all that wait for the same stand in one queue of the scheduler. Decides nothing."""

from collections.abc import Collection
from typing import NamedTuple

from streams.domain.accounts.routing import BlockedReason
from streams.domain.phone.state import Wait


class WaitKey(NamedTuple):
    """What phones queue for. `account`: the only one that will do; None: any but the closed ones.

    Those `without_new_chats` will do once they may open new chats again.
    """

    reason: BlockedReason
    account: str | None
    closed_accounts: tuple[str, ...] = ()
    without_new_chats: tuple[str, ...] = ()
    is_in_doubt: bool = False

    def admits(self, account: str, without_new_chats: Collection[str]) -> bool:
        """Whether this account will do, while those may open no new chats."""
        if self.account not in (account, None) or account in self.closed_accounts:
            return False
        return account not in self.without_new_chats or account not in without_new_chats


def make_wait_key(wait: Wait) -> WaitKey:
    """The queue that a phone which waits for this stands in."""
    return WaitKey(
        wait.reason, wait.account, wait.closed_accounts, wait.without_new_chats, wait.is_in_doubt
    )
