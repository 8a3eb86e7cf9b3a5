"""Accounts with capacities that a test sets. The draw follows its definition, account by account."""

from collections.abc import Collection, Iterator, Mapping

from streams.domain.accounts.availability.drawing import draw_number, weigh
from streams.domain.accounts.routing import AccountCapacities, Capacity


class FixedCapacities(AccountCapacities):
    """What each account can take."""

    def __init__(self, capacities: Mapping[str, Capacity]) -> None:
        self._capacities = capacities

    def __getitem__(self, name: str) -> Capacity:
        """The account's capacity. Raises KeyError: there is no such account."""
        return self._capacities[name]

    def __iter__(self) -> Iterator[str]:
        """The names of all accounts."""
        return iter(self._capacities)

    def __len__(self) -> int:
        """How many accounts there are."""
        return len(self._capacities)

    def draw(self, phone: str, closed_accounts: Collection[str]) -> str | None:
        """The highest draw of those that may open chats, else of all that are ready."""
        usable = {n: c for n, c in self.items() if c.is_ready and n not in closed_accounts}
        candidates = {n: c for n, c in usable.items() if c.is_new_chat_allowed} or usable
        draws = {n: weigh(draw_number(phone, n), c.weight) for n, c in candidates.items()}
        return max(draws, key=lambda name: draws[name], default=None)

    def is_any_ready(self, except_account: str | None = None) -> bool:
        """Whether an account besides this one is ready."""
        return any(c.is_ready and name != except_account for name, c in self.items())
