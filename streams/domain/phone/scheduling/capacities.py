"""What the accounts can take for one phone's step, found out when the step asks: most steps ask for one account.

Valid only during that step. Nothing is decided here.
"""

from collections.abc import Callable, Iterator, Mapping

from streams.domain.accounts.routing import Availability, Capacity


class Capacities(Mapping[str, Capacity]):
    """The accounts of `availabilities`, each with the capacity that `make` gives."""

    def __init__(
        self,
        availabilities: Mapping[str, Availability],
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
