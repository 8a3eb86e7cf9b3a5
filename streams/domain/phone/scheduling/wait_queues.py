"""The phones that wait for accounts, in one queue for each `WaitKey`, found by account.

Entries of phones that wait no more stay until they come to the head of their queue; whether one still counts, the
scheduler says. No call looks at queues of other accounts than those named, so what an event costs does not grow with
the number of accounts or of phones that wait. Nothing here decides whose turn it is.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import NamedTuple

from streams.domain.phone.scheduling.wait_keys import WaitKey


class QueuedPhone(NamedTuple):
    """A phone's place in the queue of a `WaitKey`: by priority, then by arrival."""

    priority_rank: int
    arrival: int
    phone: str


class WaitQueues:
    """All queues of one partition."""

    def __init__(self, is_waiting: Callable[[WaitKey, QueuedPhone], bool]) -> None:
        """`is_waiting`: whether this entry still counts."""
        self._is_waiting = is_waiting
        self._queues: dict[WaitKey, list[QueuedPhone]] = {}
        self._keys: defaultdict[str | None, dict[WaitKey, None]] = defaultdict(dict)  # in order

    def push(self, wait_key: WaitKey, queued: QueuedPhone) -> None:
        """The phone waits for this."""
        self._keys[wait_key.account][wait_key] = None
        heapq.heappush(self._queues.setdefault(wait_key, []), queued)

    def pop(self, wait_key: WaitKey) -> str:
        """The phone at the head of this queue, which `get_head` has found."""
        return heapq.heappop(self._queues[wait_key]).phone

    def get_head(self, wait_key: WaitKey) -> QueuedPhone | None:
        """The first phone that waits for this; None: none does."""
        queue = self._queues.get(wait_key)
        while queue and not self._is_waiting(wait_key, queue[0]):
            heapq.heappop(queue)
        if queue:
            return queue[0]
        if queue is not None:
            self._remove(wait_key)
        return None

    def _remove(self, wait_key: WaitKey) -> None:
        del self._queues[wait_key]
        keys = self._keys[wait_key.account]
        del keys[wait_key]
        if not keys:
            del self._keys[wait_key.account]

    def list_keys(self, account: str | None) -> list[WaitKey]:
        """The queues of the phones for which only this account will do; None: of those that may use several."""
        return list(self._keys.get(account, ()))

    def list_all_keys(self) -> list[WaitKey]:
        """All queues."""
        return list(self._queues)

    def has_keys(self, account: str) -> bool:
        """Whether there are queues that this account may do for. Their entries may not count any more."""
        return account in self._keys or None in self._keys

    def is_wanted(self, account: str, without_new_chats: Collection[str]) -> bool:
        """Whether a phone waits that this account will do for."""
        if not self.has_keys(account):
            return False
        return any(
            wait_key.admits(account, without_new_chats) and self.get_head(wait_key) is not None
            for wait_key in (*self.list_keys(account), *self.list_keys(None))
        )
