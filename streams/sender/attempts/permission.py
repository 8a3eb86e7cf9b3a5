"""Waits until one submit may follow: the session is ready, no restriction forbids it, the pace allows it.

Submits nothing. While it waits for the pace, nothing else of the account is submitted either. All waits are durations
on the monotonic clock.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S
from streams.domain.errors import Error
from streams.domain.sending import actions
from streams.sender.browser_session import BrowserSession, SessionUnavailable
from streams.sender.clock import Clock
from streams.sender.pace.account_pace import AccountPace
from streams.sender.restrictions import RestrictionStore
from streams.whatsapp.driver import Driver
from streams.whatsapp.errors import BrowserError

log = logging.getLogger(__name__)

# Without a collection the page's memory grows by a third over 2,000 submits, with one by 8 %.
GC_EVERY: Final = 500  # submits
# While nothing is to be sent, it is free: what 500 submits leave behind is some 25 MB.
IDLE_GC_EVERY: Final = 50  # submits
GC_INTERVAL_S: Final = 600.0  # of a page that submits little but receives events


class SendPermission:
    """The driver that may submit now, or why there is none."""

    def __init__(
        self,
        *,
        browser_session: BrowserSession,
        pace: AccountPace,
        restrictions: RestrictionStore,
        on_paced: Callable[[], object],
        clock: Clock,
    ) -> None:
        """`on_paced` is called when a dispatch is deferred because of the account's pace."""
        self._browser_session = browser_session
        self._pace = pace
        self._pacer = pace.pacer
        self._stranger_pacer = pace.stranger_pacer
        self._restrictions = restrictions
        self._on_paced = on_paced
        self._clock = clock
        self._submits_since_gc = 0
        self._collected_mono_s = clock.monotonic_s()

    def may_go_ahead(self) -> bool:
        """Whether a message may be given to the page while another one waits for its ack.

        Not if the account keeps an interval, nor before the page collects its garbage.
        """
        has_interval = self._pace.get_limits().messages.interval_s > 0
        is_collecting = self._submits_since_gc + 1 >= GC_EVERY
        wait_s, _ = self._pacer.next_wait_s(self._clock.monotonic_s())
        return not has_interval and not is_collecting and wait_s <= 0

    async def wait_for_driver(self, deadline_mono_s: float) -> Driver | actions.Denied:
        """The driver of a ready session, for any request to WhatsApp; a restriction is not waited for."""
        try:
            driver = await self._browser_session.wait_until_ready(deadline_mono_s=deadline_mono_s)
        except SessionUnavailable as unavailable:
            return actions.Denied(unavailable.error, unavailable.until_s)
        return self._find_restriction() or driver

    def find_denial(self, driver: Driver) -> actions.Denied | None:
        """Why nothing may be submitted any more at this moment. Waits for nothing.

        What has been allowed once waits for other things before it is submitted, and a person may pause the account
        meanwhile.
        """
        unavailable = self._browser_session.find_problem(driver)
        if unavailable is not None:
            return actions.Denied(unavailable.error, unavailable.until_s)
        return self._find_restriction()

    async def wait_for_submit(
        self, deadline_mono_s: float, *, is_stranger: bool = False
    ) -> Driver | actions.Denied:
        """The same for one submit, which also keeps the pace. Garbage is collected now and then before it."""
        driver = await self._wait_for_pace(deadline_mono_s, is_stranger)
        if isinstance(driver, actions.Denied):
            return driver
        self._submits_since_gc += 1
        if self._submits_since_gc < GC_EVERY or self._pacer.unanswered:
            return driver
        if not await self._collect_page_garbage(driver):
            return driver
        return await self._wait_for_pace(deadline_mono_s, is_stranger)  # the page is being reloaded

    async def _wait_for_pace(
        self, deadline_mono_s: float, is_stranger: bool
    ) -> Driver | actions.Denied:
        while True:
            driver = await self.wait_for_driver(deadline_mono_s)
            if isinstance(driver, actions.Denied):
                return driver
            now_mono_s = self._clock.monotonic_s()
            wait_s, code = self._next_wait_s(now_mono_s, is_stranger)
            if wait_s <= 0:
                return driver
            if wait_s > min(MAX_PACE_WAIT_S, deadline_mono_s - now_mono_s):
                self._on_paced()
                error = Error(code or "account_rate_limited")
                return actions.Denied(error, self._clock.now_s() + wait_s)
            await asyncio.sleep(wait_s)

    def _next_wait_s(self, now_mono_s: float, is_stranger: bool) -> tuple[float, str]:
        wait_s, code = self._pacer.next_wait_s(now_mono_s)
        if not is_stranger:
            return wait_s, code
        return max((wait_s, code), self._stranger_pacer.next_wait_s(now_mono_s))

    async def collect_garbage(self) -> None:
        """Have the page collect its garbage if it may have much, unless it waits for an ack.

        Nothing may be submitted meanwhile.
        """
        driver = self._browser_session.get_ready_driver()
        age_s = self._clock.monotonic_s() - self._collected_mono_s
        is_due = self._submits_since_gc >= IDLE_GC_EVERY or age_s >= GC_INTERVAL_S
        if driver is not None and is_due and not self._pacer.unanswered:
            await self._collect_page_garbage(driver)

    async def _collect_page_garbage(self, driver: Driver) -> bool:
        """Whether the page is being reloaded; no message is on its way in it now."""
        self._submits_since_gc, self._collected_mono_s = 0, self._clock.monotonic_s()
        try:
            return await driver.collect_garbage()
        except BrowserError as error:
            log.info("the page cannot collect garbage now: %s", error)
            return False

    def _find_restriction(self) -> actions.Denied | None:
        """What forbids the account everything now."""
        link, now_s = self._browser_session.state.link, self._clock.now_s()
        restriction = self._restrictions.get_active("everything", link, now_s)
        return actions.Denied(restriction.denial, restriction.until_s) if restriction else None
