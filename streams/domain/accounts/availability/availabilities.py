"""What each account can do now, and which of them take new conversations. Decides nothing, and has no clock.

There is one for all partitions of a process. It is changed account by account, and a scheduler asks which accounts have
changed since it asked last. So a change costs the same however many accounts there are, and an event does too.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from streams.domain.accounts.availability.drawing import DrawPool
from streams.domain.accounts.routing import DEFAULT_WEIGHT, NOT_READY, Availability


class Availabilities(Mapping[str, Availability]):
    """The availability of each account, by name."""

    def __init__(
        self,
        availabilities: Mapping[str, Availability] | None = None,
        without_new_chats: Iterable[str] = (),
        weights: Mapping[str, float] | None = None,
    ) -> None:
        """`without_new_chats`: these may open no new chats now. `weights`: the shares of new conversations."""
        self._weights = weights or {}
        self._availabilities: dict[str, Availability] = {}
        self._without_new_chats = set(without_new_chats)
        self._ready: set[str] = set()
        self._pool = DrawPool()
        self._last_choices = DrawPool()  # ready, but they may open no new chats
        self._changes: dict[str, int] = {}  # by account, the last one at the end
        self.version = 0  # grows with every change
        for name, availability in (availabilities or {}).items():
            self.set(name, availability)

    def __getitem__(self, name: str) -> Availability:
        """What this account can do. Raises KeyError: there is no such account."""
        return self._availabilities[name]

    def __iter__(self) -> Iterator[str]:
        """The names of all accounts."""
        return iter(self._availabilities)

    def __len__(self) -> int:
        """How many accounts there are."""
        return len(self._availabilities)

    @property
    def ready(self) -> AbstractSet[str]:
        """The accounts that are ready and not busy."""
        return self._ready

    @property
    def without_new_chats(self) -> AbstractSet[str]:
        """The accounts that may write only to people who have written to them."""
        return self._without_new_chats

    def get_weight(self, name: str) -> float:
        """The account's share of new conversations."""
        return self._weights.get(name, DEFAULT_WEIGHT)

    # -- changes

    def set(self, name: str, availability: Availability | None) -> None:
        """The account can do this from now on; None: there is no such account any more."""
        if self._availabilities.get(name) is availability:
            return
        if availability is None:
            del self._availabilities[name]
        else:
            self._availabilities[name] = availability
        self._note_change(name)

    def set_new_chats(self, name: str, *, is_allowed: bool) -> None:
        """Whether the account may open new chats from now on."""
        if is_allowed == (name not in self._without_new_chats):
            return
        self._without_new_chats ^= {name}
        self._note_change(name)

    def _note_change(self, name: str) -> None:
        self.version += 1
        self._changes.pop(name, None)
        self._changes[name] = self.version
        availability = self._availabilities.get(name)
        if availability is Availability.READY:
            self._ready.add(name)
        else:
            self._ready.discard(name)
        is_usable = availability is not None and availability not in NOT_READY
        is_allowed = name not in self._without_new_chats
        self._update_pool(self._pool, name, is_in=is_usable and is_allowed)
        self._update_pool(self._last_choices, name, is_in=is_usable and not is_allowed)

    def _update_pool(self, pool: DrawPool, name: str, *, is_in: bool) -> None:
        if is_in and name not in pool:
            pool.add(name, self.get_weight(name))
        elif not is_in:
            pool.discard(name)

    def changed_since(self, version: int) -> Iterator[str]:
        """The accounts that have changed after this version, also those that have gone."""
        for name, changed_at in reversed(self._changes.items()):
            if changed_at <= version:
                return
            yield name

    # -- what a new conversation gets

    def draw(self, phone: str, closed_accounts: Collection[str]) -> str | None:
        """The account of a new conversation; one that may open no chats is the last choice. None: none is ready."""
        account = self._pool.draw(phone, closed_accounts)
        return self._last_choices.draw(phone, closed_accounts) if account is None else account

    def is_any_ready(self, except_account: str | None) -> bool:
        """Whether an account besides this one is ready, if only later."""
        count = len(self._pool) + len(self._last_choices)
        is_counted = except_account in self._pool or except_account in self._last_choices
        return count - is_counted > 0
