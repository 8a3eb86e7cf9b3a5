"""Looks for a message in the page's store, for a bounded time. Submits nothing and decides nothing.

The wait is bounded for each outage, not for each message: after it, every lookup that the page does not answer at
once is given up. All times are those of the monotonic clock.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from streams.domain.sending.reconciliation import (
    InStore,
    LookupUnavailable,
    NotInStore,
    StoreLookup,
)
from streams.sender.browser_session import BrowserSession, SessionUnavailable
from streams.sender.clock import Clock
from streams.whatsapp import driver as browser

# An attempt in doubt is worth a longer wait than a new dispatch: what is reconciled now need not be
# dispatched to this account again.
RECONCILE_TIMEOUT_S: Final = 15.0
POLL_INTERVAL_S: Final = 0.25
# A reconnect makes the page send everything that is pending, so one is enough for all messages in doubt.
RECONNECT_INTERVAL_S: Final = 60.0


class Reconciler:
    """Asks the page of the session, or of the one that comes back in time."""

    def __init__(
        self,
        browser_session: BrowserSession,
        clock: Clock,
        on_refused: Callable[[int], object] = lambda server_code: None,
    ) -> None:
        """`on_refused` is called with the code of each refusal that came late."""
        self._on_refused = on_refused
        self._browser_session = browser_session
        self._clock = clock
        self._unanswered_since_s: float | None = None
        self._reconnected_at_s: float | None = None

    async def reconcile(self, whatsapp_id: str, chat_id: str) -> StoreLookup:
        """Ask until the page answers; give up at once on a session that only a person can bring back."""
        started_s = self._clock.monotonic_s()
        since_s = started_s if self._unanswered_since_s is None else self._unanswered_since_s
        deadline_s = since_s + RECONCILE_TIMEOUT_S
        while True:
            try:
                lookup = await self._reconcile_once(whatsapp_id, chat_id, deadline_s)
            except SessionUnavailable as error:
                return LookupUnavailable(str(error))
            if not isinstance(lookup, LookupUnavailable):
                self._unanswered_since_s = None
                return lookup
            self._unanswered_since_s = since_s
            if self._clock.monotonic_s() >= deadline_s:
                return lookup
            await asyncio.sleep(POLL_INTERVAL_S)

    async def reconnect(self) -> None:
        """Have the page connect again, unless it was asked to a short time ago, or is not connected."""
        driver, now_s = self._browser_session.driver, self._clock.monotonic_s()
        last_s = self._reconnected_at_s
        if driver is not None and (last_s is None or now_s >= last_s + RECONNECT_INTERVAL_S):
            self._reconnected_at_s = now_s
            await driver.reconnect()

    async def _reconcile_once(
        self, whatsapp_id: str, chat_id: str, deadline_s: float
    ) -> StoreLookup:
        """Raises SessionUnavailable."""
        driver = await self._browser_session.wait_until_ready(
            deadline_mono_s=deadline_s, reconnect_timeout_s=RECONCILE_TIMEOUT_S
        )
        match await driver.find_message(whatsapp_id, chat_id):
            case browser.MessageFound(ack, is_pending, server_code):
                if server_code:  # one whose code is lost may have been counted before
                    self._on_refused(server_code)
                return InStore(ack, is_pending, server_code)
            case browser.MessageNotFound():
                return NotInStore()
            case browser.LookupFailed(detail):
                return LookupUnavailable(detail)
