"""Looking for a message of ours in the page's store, for a bounded time. Submits nothing, decides nothing."""

import asyncio
import time
from typing import Final

from streams.domain.sending.claim import InStore, LookupUnavailable, NotInStore, StoreLookup
from streams.sender.session import NoSession, Seat
from streams.whatsapp import driver as browser

# A claim is worth a longer wait than a release: what is settled here need not be settled later.
SETTLE_WITHIN_S: Final = 15.0
EVERY_S: Final = 0.25


class Looks:
    """Asks the session that is there, or that comes back in time."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    async def look(self, whatsapp_id: str, chat_id: str, within_s: float = SETTLE_WITHIN_S) -> StoreLookup:
        """A page that cannot answer is asked again; a session that only a person can bring back is not."""
        until_s = time.time() + within_s
        while True:
            try:
                seen = await self._look_once(whatsapp_id, chat_id, until_s)
            except NoSession as no:
                return LookupUnavailable(str(no))
            if not isinstance(seen, LookupUnavailable) or time.time() >= until_s:
                return seen
            await asyncio.sleep(EVERY_S)

    async def outwait(self, whatsapp_id: str, chat_id: str, within_s: float) -> StoreLookup:
        """Look until the id no longer waits in WhatsApp's outbox, or the time for its ack is over."""
        until_s = time.time() + within_s
        while True:
            seen = await self.look(whatsapp_id, chat_id, until_s - time.time())
            if seen != InStore(0) or time.time() >= until_s:
                return seen
            await asyncio.sleep(EVERY_S)

    async def _look_once(self, whatsapp_id: str, chat_id: str, until_s: float) -> StoreLookup:
        """Raises NoSession."""
        driver = await self._seat.ready(until_s=until_s, patience_s=SETTLE_WITHIN_S)
        match await driver.find(whatsapp_id, chat_id):
            case browser.Found(ack):
                return InStore(ack)
            case browser.NotFound():
                return NotInStore()
            case browser.LookupFailed(detail):
                return LookupUnavailable(detail)
