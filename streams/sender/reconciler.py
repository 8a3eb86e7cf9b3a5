"""Looks for a message in the page's store, for a bounded time. Submits nothing and decides nothing."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from streams.domain.sending.claim import InStore, LookupUnavailable, NotInStore, StoreLookup
from streams.sender.browser_session import BrowserSession, SessionUnavailable
from streams.whatsapp import driver as browser

# An attempt in doubt is worth a longer wait than a new dispatch: what is reconciled now need not be
# dispatched to this account again.
RECONCILE_TIMEOUT_S: Final = 15.0
POLL_INTERVAL_S: Final = 0.25


class Reconciler:
    """Asks the page of the session, or of the one that comes back in time."""

    def __init__(
        self, browser_session: BrowserSession, now_s: Callable[[], float] = time.time
    ) -> None:
        self._browser_session = browser_session
        self._now_s = now_s

    async def reconcile(
        self, whatsapp_id: str, chat_id: str, timeout_s: float = RECONCILE_TIMEOUT_S
    ) -> StoreLookup:
        """Ask until the page answers; give up at once on a session that only a person can bring back."""
        deadline_s = self._now_s() + timeout_s
        while True:
            try:
                lookup = await self._reconcile_once(whatsapp_id, chat_id, deadline_s)
            except SessionUnavailable as error:
                return LookupUnavailable(str(error))
            if not isinstance(lookup, LookupUnavailable) or self._now_s() >= deadline_s:
                return lookup
            await asyncio.sleep(POLL_INTERVAL_S)

    async def wait_for_ack(self, whatsapp_id: str, chat_id: str, timeout_s: float) -> StoreLookup:
        """Ask until the id no longer waits in WhatsApp's outbox, or the time for its ack is over."""
        deadline_s = self._now_s() + timeout_s
        while True:
            lookup = await self.reconcile(whatsapp_id, chat_id, deadline_s - self._now_s())
            if lookup != InStore(0) or self._now_s() >= deadline_s:
                return lookup
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _reconcile_once(
        self, whatsapp_id: str, chat_id: str, deadline_s: float
    ) -> StoreLookup:
        """Raises SessionUnavailable."""
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
