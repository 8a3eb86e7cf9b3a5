"""The account's new recipients in the table: a row each, which is durable before they get their first message.

So no crash makes room for one more. The rows are read after recovery, and removed after a month. Who is new, and how
many may be, is decided in streams/domain/accounts/new_recipients.py.
"""

import asyncio
import secrets
from typing import Final

from streams.domain.accounts import new_recipients as stored
from streams.domain.accounts.new_recipients import NewRecipient, NewRecipients, make_key
from streams.sender.claim_store import ClaimStore
from streams.sender.clock import Clock

_PREFIX: Final = b"new-recipient:"  # no WhatsApp id begins like this
_MAX_DELETES: Final = 200  # in one sweep


class RecipientLog:
    """The new recipients of the number `account_phone`; the counts are those of all its numbers."""

    def __init__(self, claim_store: ClaimStore, clock: Clock) -> None:
        self.account_phone = ""
        self._claim_store = claim_store
        self._clock = clock
        self._recipients = NewRecipients()

    def load(self) -> None:
        """Read the rows. A time that lies after now counts as now."""
        now_mono_s = self._clock.monotonic_s()
        self._recipients.load(
            (key.decode(), now_mono_s - self._clock.age_s(stored.decode(data).at_s))
            for key, data in self._claim_store.read_prefix(_PREFIX)
        )

    def is_known(self, chat_id: str) -> bool:
        """Whether the account wrote to this person before."""
        return self._recipients.is_known(self._make_key(chat_id))

    async def record(self, chat_id: str) -> None:
        """The account is about to write to them for the first time; durable when this returns."""
        key = self._make_key(chat_id)
        self._recipients.record(key, self._clock.monotonic_s())
        await self._claim_store.write(
            key.encode(), stored.encode(NewRecipient(at_s=self._clock.now_s()))
        )

    async def forget(self, chat_id: str) -> None:
        """The person is forgotten, and still counts: under a key that follows from nothing."""
        key, anonymous_key = self._make_key(chat_id), _PREFIX.decode() + secrets.token_hex(12)
        row = self._claim_store.read(key.encode())
        self._recipients.rename(key, anonymous_key)
        if row is not None:
            await asyncio.gather(
                self._claim_store.write(anonymous_key.encode(), row),
                self._claim_store.write(key.encode(), None),
            )

    def count_last_day(self) -> int:
        """How many there were in the last 24 hours."""
        return self._recipients.count_last_day(self._clock.monotonic_s())

    def next_allowed_s(self, limit: int) -> float | None:
        """The broker's time at which one more may follow; None: at once."""
        now_mono_s = self._clock.monotonic_s()
        at_mono_s = self._recipients.next_allowed_s(now_mono_s, limit)
        return self._clock.to_broker_s(at_mono_s) if at_mono_s > now_mono_s else None

    def list_since(self, since_mono_s: float) -> list[float]:
        """The times after this one, on the monotonic clock."""
        return self._recipients.list_since(since_mono_s)

    async def sweep(self) -> None:
        """Remove the rows of a few that are remembered no longer."""
        now_mono_s = self._clock.monotonic_s()
        keys = self._recipients.take_expired(now_mono_s, _MAX_DELETES)
        await asyncio.gather(*(self._claim_store.write(key.encode(), None) for key in keys))

    def _make_key(self, chat_id: str) -> str:
        return _PREFIX.decode() + make_key(self.account_phone, chat_id)
