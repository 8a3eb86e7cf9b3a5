"""What a phone's row holds about its queues, and what their heads wait for. Stored values, nothing else.

A field may be added with a default, and no field may be renamed. queue.py changes them.
"""

from typing import Literal, TypeAlias

from streams.domain.accounts.routing import BlockedReason
from streams.domain.stored import Stored

Priority: TypeAlias = Literal["urgent", "normal", "bulk"]
PRIORITIES: tuple[Priority, ...] = ("urgent", "normal", "bulk")


class PriorityQueue(Stored, frozen=True):
    """The queue of a priority, of its marketing messages, or of those of either that require one account.

    It has the slots `head`..`tail - 1`, of which `count` hold a message.
    """

    head: int = 0
    tail: int = 0
    count: int = 0


class Parked(Stored, frozen=True):
    """A message with an attempt in doubt, or that had one: it stands alone, in no queue.

    Until its account has found out what became of the attempt, only messages that may use the same account
    must wait for it.
    """

    id: str
    priority: Priority


class Wait(Stored, frozen=True):
    """What the head of a queue waits for besides a time.

    `account_busy`: a free slot of an account. `no_account`: an account that is ready.
    """

    reason: BlockedReason
    account: str | None = None  # the only account that will do; None: any
    priority_rank: int = 0  # of the message: 0 urgent, 1 normal, 2 bulk
    # Both in alphabetical order: these will not do, and these only once they may open new chats again.
    closed_accounts: tuple[str, ...] = ()
    without_new_chats: tuple[str, ...] = ()
    is_in_doubt: bool = False  # only its own account can find out what became of it


class QueueSlot(Stored, frozen=True):
    """A change of the index: this slot of this queue holds this message now, or none."""

    queue: str
    seq: int
    id: str | None
