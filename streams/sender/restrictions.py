"""Whether the account may send at all: a restriction by WhatsApp stops it at once, and outlives a restart.

A restriction is never answered by trying again. WhatsApp does not say when it ends: here it ends after a
day, or when a person links the account anew.
"""

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Stored
from streams.sender.claim_store import ClaimStore

log = logging.getLogger(__name__)

RESTRICTION_DURATION_S: Final = 86_400.0
KEY: Final = b"restriction"  # no WhatsApp id begins so


class Restriction(Stored, frozen=True):
    """WhatsApp refused a message of the account for what the account did. Times are epoch seconds."""

    code: str
    since_s: float
    until_s: float
    link: str | None = None  # a new linking is a new beginning


_decoder = msgspec.msgpack.Decoder(Restriction)
_encoder = msgspec.msgpack.Encoder()


class RestrictionStore:
    """The account's restriction, if it has one; `changed` is called when that begins."""

    def __init__(self, claim_store: ClaimStore, on_change: Callable[[], None]) -> None:
        self._claim_store = claim_store
        self._on_change = on_change
        self._restriction: Restriction | None = None

    def load(self) -> None:
        """Take it from the table, once the table is recovered."""
        data = self._claim_store.read(KEY)
        self._restriction = None if data is None else _decoder.decode(data)

    def get_active(self, link: str | None, now_s: float) -> Restriction | None:
        """What stands against the account now, under this link."""
        restriction = self._restriction
        if restriction is None or restriction.link != link or restriction.until_s <= now_s:
            return None
        return restriction

    def defer_if_restricted(self, link: str | None, now_s: float) -> Deferred | None:
        """The answer to every release while the account is restricted."""
        restriction = self.get_active(link, now_s)
        if restriction is None:
            return None
        return Deferred(error=Error("account_restricted", restriction.code))

    async def restrict(self, error: Error, link: str | None, now_s: float) -> None:
        """Stop the account; durable when this returns."""
        log.error("the account is restricted: %s; it sends no more", error.code)
        self._restriction = Restriction(
            code=error.code, since_s=now_s, until_s=now_s + RESTRICTION_DURATION_S, link=link
        )
        self._on_change()
        await self._claim_store.write(KEY, _encoder.encode(self._restriction))
