"""Which accounts a message may not use because an earlier one of its priority waits for them.

Messages of one priority stay in order among those that may be sent by the same account. So a message that
waits for its own account holds up only what may use that account, and one that may use any account holds up
everything behind it. Nothing here chooses an account (accounts/routing.py).
"""

from collections import defaultdict
from collections.abc import Collection

from streams.domain.accounts.routing import AccountCapacities
from streams.domain.phone.events import Priority
from streams.domain.phone.state import Message


class EarlierMessages:
    """The messages that were looked at and must wait, in the order in which they are to be served."""

    def __init__(self) -> None:
        self._held_accounts: defaultdict[Priority, set[str]] = defaultdict(set)
        self._held_priorities: set[Priority] = set()

    def add(self, message: Message) -> None:
        """This message waits: those behind it may not use what it may use."""
        account = message.required_account
        if account is None:
            self._held_priorities.add(message.priority)
        else:
            self._held_accounts[message.priority].add(account)

    def get_held_accounts(self, message: Message) -> Collection[str]:
        """The accounts that this message must leave to earlier ones."""
        return self._held_accounts[message.priority]

    def hold_up(
        self, message: Message, preferred_account: str | None, accounts: AccountCapacities
    ) -> bool:
        """Whether the message must wait for an earlier one, whatever the accounts can do now.

        A conversation does not change its account while the account is ready and only an earlier message is
        waited for.
        """
        if message.priority in self._held_priorities:
            return True
        held_accounts = self._held_accounts[message.priority]
        if message.required_account is not None:
            return message.required_account in held_accounts
        if preferred_account not in held_accounts:
            return False
        capacity = accounts.get(preferred_account)
        return capacity is not None and capacity.is_ready
