"""The account's restriction in the table: read after recovery, written when WhatsApp restricts the account.

When a restriction begins and ends is decided in streams/domain/accounts/restriction.py. Because the
row is durable, a restriction outlives a restart.
"""

import logging
from collections.abc import Callable
from typing import Final

from streams.domain.accounts import restriction as stored
from streams.domain.accounts.restriction import Restriction
from streams.sender.claim_store import ClaimStore

log = logging.getLogger(__name__)

KEY: Final = b"restriction"  # no WhatsApp id begins like this


class RestrictionStore:
    """The account's restriction, if it has one; `on_change` is called when one begins."""

    def __init__(self, claim_store: ClaimStore, on_change: Callable[[], None]) -> None:
        self._claim_store = claim_store
        self._on_change = on_change
        self._restriction: Restriction | None = None

    def load(self) -> None:
        """Read it from the table, once the table is recovered."""
        data = self._claim_store.read(KEY)
        self._restriction = None if data is None else stored.decode(data)

    def get_active(self, link: str | None, now_s: float) -> Restriction | None:
        """The restriction that forbids the account to send now, under this link."""
        restriction = self._restriction
        if restriction is None or not restriction.is_in_force(link, now_s):
            return None
        return restriction

    async def store(self, restriction: Restriction) -> None:
        """Stop the account; durable when this returns."""
        log.error("the account is restricted: %s; it stops sending", restriction.code)
        self._restriction = restriction
        self._on_change()
        await self._claim_store.write(KEY, stored.encode(restriction))
