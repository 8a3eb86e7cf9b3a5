"""The scheduler by its definition: it looks at every phone and every account each time.

Only for phones whose waits have different priorities: of two equal ones, the definition does not say which is served.
"""

from collections.abc import Collection, Mapping

from streams.domain.accounts.routing import Availability
from streams.domain.phone.scheduling.scheduler import MAX_PENDING_WAKES
from streams.domain.phone.scheduling.wait_keys import WaitKey, make_wait_key
from streams.domain.phone.state import Phone

READY = Availability.READY
NOT_READY = (Availability.DOWN, Availability.CAPPED, Availability.REMOVED)


class NaiveScheduler:
    """One partition."""

    def __init__(self, max_in_flight: int) -> None:
        self.max_in_flight = max_in_flight
        self.rows: dict[str, Phone] = {}
        self.arrivals: dict[str, int] = {}
        self.pending: dict[str, WaitKey] = {}
        self.last_arrival = 0

    def update(self, phone: str, row: Phone) -> None:
        """The phone's row is this now."""
        previous = self.rows.get(phone)
        self.pending.pop(phone, None)
        self.rows[phone] = row
        if row.waits and not (previous is not None and previous.waits):
            self.last_arrival += 1
            self.arrivals[phone] = self.last_arrival

    def count_free(self, account: str, without: Collection[str], except_phone: str = "") -> int:
        """What is neither in use nor reserved."""
        in_flight = [row.in_flight.account for row in self.rows.values() if row.in_flight]
        reserved = [
            wait_key.admits(account, without)
            for phone, wait_key in self.pending.items()
            if phone != except_phone
        ]
        return max(0, self.max_in_flight - in_flight.count(account) - sum(reserved))

    def count_offered(
        self, phone: str, accounts: Mapping[str, Availability], without: Collection[str]
    ) -> dict[str, int]:
        """The free slots that this phone's step may use."""
        wanted = {
            name
            for name in accounts
            for _, wait_key in self.list_waits()
            if wait_key.admits(name, without)
        }
        return {
            name: 0
            if availability is not READY or (name in wanted and phone not in self.pending)
            else self.count_free(name, without, phone)
            for name, availability in accounts.items()
        }

    def list_waits(self) -> list[tuple[tuple[int, int, str], WaitKey]]:
        """Everything that is waited for, with its place in the order."""
        return sorted(
            ((wait.priority_rank, self.arrivals[phone], phone), make_wait_key(wait))
            for phone, row in self.rows.items()
            for wait in row.waits
            if phone not in self.pending
        )

    def wake(self, accounts: Mapping[str, Availability], without: Collection[str]) -> list[str]:
        """The phones whose turn it is."""
        woken: list[str] = []
        while len(self.pending) < MAX_PENDING_WAKES:
            unblocked = (w for w in self.list_waits() if self.is_unblocked(w[1], accounts, without))
            chosen = next(unblocked, None)
            if chosen is None:
                break
            (_, _, phone), wait_key = chosen
            self.pending[phone] = wait_key
            woken.append(phone)
        return woken

    def is_unblocked(
        self, wait_key: WaitKey, accounts: Mapping[str, Availability], without: Collection[str]
    ) -> bool:
        """Whether a step could now end differently."""
        required = accounts.get(wait_key.account or "")
        if required is Availability.REMOVED and not wait_key.is_in_doubt:
            return True
        admitted = {n: a for n, a in accounts.items() if wait_key.admits(n, without)}
        if wait_key.reason == "account_busy" and all(a in NOT_READY for a in admitted.values()):
            return True
        return any(a is READY and self.count_free(n, without) > 0 for n, a in admitted.items())
