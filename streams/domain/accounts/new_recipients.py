"""The people to whom the account wrote first: how many in the last day, and who they are. No clock and no I/O.

A new recipient has never written to the account, and the account never wrote to them. Whoever was a new recipient once
is none again for `MEMORY_S`, so a conversation goes on beyond the limit of a day. People are remembered by a checksum.
Times are those of a monotonic clock; the rows have the broker's.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from streams.domain.accounts.pacing import DAY_S
from streams.domain.stored import Codec, Stored

MEMORY_S: Final = 30 * DAY_S
# A recipient counts from the submit, and their message arrives a little later: the window is longer by this.
WINDOW_S: Final = DAY_S + 60.0


class NewRecipient(Stored, frozen=True):
    """The row of one. `at_s` is the broker's time of the first submit."""

    at_s: float


class NewRecipients:
    """The new recipients of the last `MEMORY_S`, oldest first."""

    def __init__(self) -> None:
        self._times_s: dict[str, float] = {}

    def load(self, rows: Iterable[tuple[str, float]]) -> None:
        """What earlier processes wrote: keys and times."""
        self._times_s = dict(sorted(rows, key=lambda row: row[1]))

    def is_known(self, key: str) -> bool:
        """Whether the account wrote to them before."""
        return key in self._times_s

    def record(self, key: str, now_s: float) -> None:
        """The account is about to write to them for the first time."""
        self._times_s[key] = now_s

    def rename(self, key: str, other_key: str) -> None:
        """This one counts under the other key from now on."""
        if key in self._times_s:
            self._times_s = {
                other_key if k == key else k: at_s for k, at_s in self._times_s.items()
            }

    def count_last_day(self, now_s: float) -> int:
        """How many there were in the last 24 hours."""
        return len(self._recent_s(now_s))

    def next_allowed_s(self, now_s: float, limit: int) -> float:
        """When one more may follow; not after now: at once. 0 as the limit means no limit."""
        recent_s = self._recent_s(now_s)
        if not limit or len(recent_s) < limit:
            return now_s
        return recent_s[-limit] + WINDOW_S

    def list_since(self, since_s: float) -> list[float]:
        """The times after this one, oldest first."""
        times_s: list[float] = []
        for at_s in reversed(self._times_s.values()):
            if at_s <= since_s:
                break
            times_s.append(at_s)
        return times_s[::-1]

    def take_expired(self, now_s: float, max_count: int) -> list[str]:
        """Forget the oldest ones that are older than `MEMORY_S`; returns their keys."""
        expired: list[str] = []
        for key, at_s in self._times_s.items():
            if at_s > now_s - MEMORY_S or len(expired) == max_count:
                break
            expired.append(key)
        for key in expired:
            del self._times_s[key]
        return expired

    def _recent_s(self, now_s: float) -> list[float]:
        return self.list_since(now_s - WINDOW_S)


def make_key(account_phone: str, chat_id: str) -> str:
    """The key of this chat of this number: a checksum, which tells neither."""
    return blake2b(f"{account_phone}/{chat_id}".encode(), digest_size=12).hexdigest()


_codec: Codec[NewRecipient] = Codec(NewRecipient)


def encode(recipient: NewRecipient) -> bytes:
    """The row as it is stored."""
    return _codec.encode(recipient)


def decode(data: bytes) -> NewRecipient:
    """The row.

    Raises:
        msgspec.DecodeError: the bytes are not such a row.
    """
    return _codec.decode(data)
