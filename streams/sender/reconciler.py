"""Looking for a message of ours in the page's store, for a bounded time. Submits nothing, decides nothing."""

import asyncio
import time
from typing import Final

from streams.domain.sending.claim import InStore, LookupUnavailable, NotInStore, StoreLookup
from streams.sender.browser_session import BrowserSession, SessionUnavailable
from streams.whatsapp import driver as browser

# A claim is worth a longer wait than a release: what is settled here need not be settled later.
RECONCILE_TIMEOUT_S: Final = 15.0
POLL_INTERVAL_S: Final = 0.25


class Reconciler:
    """Asks the session that is there, or that comes back in time."""

    def __init__(self, browser_session: BrowserSession) -> None:
        self._browser_session = browser_session

    async def reconcile(
        self, whatsapp_id: str, chat_id: str, timeout_s: float = RECONCILE_TIMEOUT_S
    ) -> StoreLookup:
        """A page that cannot answer is asked again; a session that only a person can bring back is not."""
        deadline_s = time.time() + timeout_s
        while True:
            try:
                lookup = await self._reconcile_once(whatsapp_id, chat_id, deadline_s)
            except SessionUnavailable as error:
                return LookupUnavailable(str(error))
            if not isinstance(lookup, LookupUnavailable) or time.time() >= deadline_s:
                return lookup
            await asyncio.sleep(POLL_INTERVAL_S)

    async def wait_for_ack(self, whatsapp_id: str, chat_id: str, timeout_s: float) -> StoreLookup:
        """Look until the id no longer waits in WhatsApp's outbox, or the time for its ack is over."""
        deadline_s = time.time() + timeout_s
        while True:
            lookup = await self.reconcile(whatsapp_id, chat_id, deadline_s - time.time())
            if lookup != InStore(0) or time.time() >= deadline_s:
                return lookup
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _reconcile_once(
        self, whatsapp_id: str, chat_id: str, deadline_s: float
    ) -> StoreLookup:
        """Raises NoSession."""
        driver = await self._browser_session.wait_until_ready(
            deadline_s=deadline_s, reconnect_timeout_s=RECONCILE_TIMEOUT_S
        )
        match await driver.find_message(whatsapp_id, chat_id):
            case browser.MessageFound(ack):
                return InStore(ack)
            case browser.MessageNotFound():
                return NotInStore()
            case browser.LookupFailed(detail):
                return LookupUnavailable(detail)
