"""The slots of the accounts in one partition: which are in use, and which are reserved for phones on their way.

A phone that was woken has a slot reserved until its step has shown what it made of its turn. What is counted here
never grows with the number of phones that wait. Nothing here decides who is woken.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.routing import NOT_READY, Availability
from streams.domain.phone.scheduling.wait_keys import WaitKey


class Slots:
    """`changed_accounts`: those whose number of free slots may have grown, until the scheduler clears it."""

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._in_flight: dict[str, str] = {}  # phone → account
        self._in_flight_counts: Counter[str] = Counter()
        self._pending: dict[str, WaitKey] = {}  # by phone
        self._reserved: defaultdict[str | None, Counter[WaitKey]] = defaultdict(Counter)
        self.changed_accounts: set[str] = set()
        self.has_changed_for_any = False  # a slot that several accounts reserved is free again

    @property
    def in_flight(self) -> Mapping[str, str]:
        """The account of each phone that has a message in flight."""
        return self._in_flight

    @property
    def pending(self) -> Mapping[str, WaitKey]:
        """The phones whose wake-up is on its way through the log, and what each waited for."""
        return self._pending

    def set_in_flight(self, phone: str, account: str | None) -> None:
        """The phone's message in flight is with this account; None: it has none."""
        previous_account = self._in_flight.pop(phone, None)
        if previous_account is not None:
            self._in_flight_counts[previous_account] -= 1
            self.changed_accounts.add(previous_account)
        if account is not None:
            self._in_flight[phone] = account
            self._in_flight_counts[account] += 1

    def reserve(self, phone: str, wait_key: WaitKey) -> None:
        """The phone is woken."""
        self._pending[phone] = wait_key
        self._reserved[wait_key.account][wait_key] += 1

    def release(self, phone: str) -> bool:
        """The phone's turn has ended; False: it had none."""
        wait_key = self._pending.pop(phone, None)
        if wait_key is None:
            return False
        counts = self._reserved[wait_key.account]
        counts[wait_key] -= 1
        if not counts[wait_key]:
            del counts[wait_key]
        if wait_key.account is None:
            self.has_changed_for_any = True
        else:
            self.changed_accounts.add(wait_key.account)
        return True

    def count_free(
        self, account: str, without_new_chats: Collection[str], except_phone: str = ""
    ) -> int:
        """Slots that are neither in use nor reserved for another phone than this."""
        reserved = 0
        if self._pending:
            reserved = self._count_reserved(account, account, without_new_chats)
            reserved += self._count_reserved(None, account, without_new_chats)
            own = self._pending.get(except_phone)
            if own is not None and own.admits(account, without_new_chats):
                reserved -= 1
        return max(0, self._max_in_flight - self._in_flight_counts[account] - reserved)

    def _count_reserved(
        self, key_account: str | None, account: str, without_new_chats: Collection[str]
    ) -> int:
        counts = self._reserved.get(key_account)
        if not counts:
            return 0
        return sum(
            number
            for wait_key, number in counts.items()
            if wait_key.admits(account, without_new_chats)
        )

    def is_unblocked(self, wait_key: WaitKey, availabilities: Availabilities) -> bool:
        """Whether a step could now end differently for the phones in this queue.

        If a phone waits for a busy account that is no longer ready, another account may take it. If it requires
        an account that was removed, its message fails.
        """
        account, without_new_chats = wait_key.account, availabilities.without_new_chats
        required = availabilities.get(account) if account is not None else None
        if required is Availability.REMOVED and not wait_key.is_in_doubt:
            return True
        if wait_key.reason == "account_busy" and not any(
            wait_key.admits(name, without_new_chats)
            for name, availability in _list_candidates(account, required, availabilities)
            if availability not in NOT_READY
        ):
            return True
        ready = availabilities.ready
        return any(
            wait_key.admits(name, without_new_chats)
            and self.count_free(name, without_new_chats) > 0
            for name in (ready if account is None else ready & {account})
        )


def _list_candidates(
    account: str | None, required: Availability | None, availabilities: Availabilities
) -> Iterable[tuple[str, Availability]]:
    if account is None:
        return availabilities.items()
    return () if required is None else ((account, required),)
