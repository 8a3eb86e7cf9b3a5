"""What the accounts can take for one phone's step, found out when the step asks: most steps ask for one account.

Valid only during that step. Nothing is decided here.
"""

from collections.abc import Callable, Collection, Iterator

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.routing import AccountCapacities, Availability, Capacity


class Capacities(AccountCapacities):
    """The accounts of `availabilities`, each with the capacity that `make` gives."""

    def __init__(
        self,
        availabilities: Availabilities,
        make: Callable[[str, Availability], Capacity],
    ) -> None:
        self._availabilities = availabilities
        self._make = make
        self._made: dict[str, Capacity] = {}

    def __getitem__(self, name: str) -> Capacity:
        """The account's capacity. Raises KeyError: there is no such account."""
        capacity = self._made.get(name)
        if capacity is None:
            capacity = self._made[name] = self._make(name, self._availabilities[name])
        return capacity

    def __iter__(self) -> Iterator[str]:
        """The names of all accounts."""
        return iter(self._availabilities)

    def __len__(self) -> int:
        """How many accounts there are."""
        return len(self._availabilities)

    def __contains__(self, name: object) -> bool:
        """Whether there is such an account."""
        return name in self._availabilities

    def draw(self, phone: str, closed_accounts: Collection[str]) -> str | None:
        """The account of a new conversation."""
        return self._availabilities.draw(phone, closed_accounts)

    def is_any_ready(self, except_account: str | None = None) -> bool:
        """Whether an account besides this one is ready."""
        return self._availabilities.is_any_ready(except_account)
