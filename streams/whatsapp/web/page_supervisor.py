"""Keeps one page at WhatsApp Web alive: opens it, listens to it, and replaces what has failed.

Knows nothing of sending. What it hears goes to a `Watcher`; what it may do next is the ladder's
business (supervision.py). A call that listens is open at all times, so a dead renderer, browser or
driver makes itself known at once, and a hung one after a missed heartbeat.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from streams.whatsapp.driver import Phase
from streams.whatsapp.errors import (
    PageHung,
    PageLost,
    PageMoved,
    PageRefused,
    PageTrouble,
    Unreachable,
)
from streams.whatsapp.web.launch import BrowserConfig, Chromium
from streams.whatsapp.web.page import WhatsAppPage
from streams.whatsapp.web.profile import Profile
from streams.whatsapp.web.recovery_policy import Ladder, Rung, Step
from streams.whatsapp.web.session import PageState, phase_of

log = logging.getLogger(__name__)

# A page that keeps navigating by itself is no use; WhatsApp's own logout navigates once.
_MOVES_IN_A_ROW = 5
# Phases in which nothing is waited for but a person.
_SETTLED = frozenset({Phase.READY, Phase.LINKING, Phase.RESTRICTED})
# Longer than Chromium ever waits before it writes localStorage.
_STORAGE_WITHIN_S = 6.0


class Watcher(Protocol):
    """Who wants to know. Must not block."""

    def state(self, state: PageState) -> None:
        """The page is as this says."""
        ...

    def swapping(self, state: PageState) -> None:
        """Linked; the page is replaced before it is called ready."""
        ...

    def event(self, event: Mapping[str, Any]) -> None:
        """A receipt or a message received."""
        ...

    def lost(self, reason: str) -> None:
        """There is no page that can be used; one is being made."""
        ...


class Keeper:
    """One account's browser and page. `run` is to be one task."""

    def __init__(
        self,
        config: BrowserConfig,
        profile: Profile,
        bundle: str,
        watcher: Watcher,
        chance: Callable[[], float],
    ) -> None:
        self._config = config
        self._profile = profile
        self._bundle = bundle
        self._watcher = watcher
        self._ladder = Ladder(config.patience, chance)
        self._browser: Chromium | None = None
        self._page: WhatsAppPage | None = None
        self._unreachable = 0
        self._moves = 0
        self._linked_at_s: float | None = None
        self._stuck_since_s: float | None = None
        self._renewal: asyncio.Event | None = None  # asked for; set when it has begun

    @property
    def page(self) -> WhatsAppPage | None:
        """The page, whatever its state."""
        return self._page

    async def renew(self) -> bool:
        """Have the page loaded anew; returns when nobody takes the old one for ready any more.

        False: it is not attended to now, and nothing will be done.
        """
        timeouts, renewal = self._config.timeouts, asyncio.Event()
        self._renewal = renewal
        try:
            async with asyncio.timeout(timeouts.heartbeat_s + timeouts.answer_s):
                await renewal.wait()
        except TimeoutError:
            return False
        finally:
            self._renewal = None
        return True

    async def run(self) -> str:
        """Keep it until cancelled; returns why it gave up. The browser has ended when this ends.

        Raises BrowserMissing and ProfileInUse: to try again would not help.
        """
        step = Step(Rung.NEW_BROWSER, 0.0)
        try:
            while True:
                await asyncio.sleep(step.delay_s)
                trouble = await self._try(step.rung)
                following = self._next(trouble)
                if following is None:
                    return f"gave up: {trouble}"
                log.warning("page lost (%s), next: %s", trouble, following.rung.name.lower())
                step = following
        finally:
            await self._close_browser()

    async def _try(self, rung: Rung) -> PageTrouble | Unreachable:
        try:
            await self._climb(rung)
            self._unreachable = 0
            await self._attend()
        except Unreachable as error:
            self._watcher.lost("whatsapp_unreachable")
            return error
        except PageTrouble as error:
            self._watcher.lost(_reason(error))
            return error
        finally:
            self._renewal_begins()
        raise AssertionError("a page is attended until it fails")

    def _next(self, trouble: PageTrouble | Unreachable) -> Step | None:
        if isinstance(trouble, Unreachable):
            self._unreachable += 1
            return Step(Rung.RELOAD, self._ladder.unreachable(self._unreachable))
        return self._ladder.failed(time.monotonic(), self._at_least(trouble))

    def _at_least(self, trouble: PageTrouble) -> Rung:
        """What less than this cannot cure."""
        if self._browser is None or not self._browser.alive:
            return Rung.NEW_BROWSER
        return Rung.NEW_PAGE if isinstance(trouble, PageHung | PageLost) else Rung.RELOAD

    # -- making a page

    async def _climb(self, rung: Rung) -> None:
        if self._page is None or self._browser is None or rung is Rung.NEW_BROWSER:
            await self._new_browser()
        elif rung is Rung.NEW_PAGE:
            await self._new_page()
        else:
            await self._page.open(self._config.web_url)

    async def _new_browser(self) -> None:
        await self._close_browser()
        await self._profile.clear()
        self._browser = await Chromium.launch(self._config, self._profile)
        tab = await self._browser.first_page()
        self._page = self._wrap(self._browser, tab)
        await self._page.open(self._config.web_url)

    async def _new_page(self) -> None:
        """The old tab goes before the new one loads: WhatsApp wants to be open in one tab only.

        And Chromium writes the site's storage when its last tab has gone, so a login made in this
        tab is awaited on the disk: nobody is told `ready` who could still lose it by a crash.
        """
        linked_at_s = self._linked_at_s
        assert self._browser is not None
        old, self._page = self._page, None
        tab = await self._browser.new_page()
        if old is not None:
            await old.close()
        if linked_at_s is not None and not await self._profile.storage_written(
            linked_at_s, _STORAGE_WITHIN_S
        ):
            log.warning("the new login was not seen on the disk: a crash now may lose it")
        self._page = self._wrap(self._browser, tab)
        await self._page.open(self._config.web_url)

    def _wrap(self, browser: Chromium, tab: Any) -> WhatsAppPage:
        self._linked_at_s = None
        return WhatsAppPage(tab, browser, self._bundle, self._config.timeouts)

    async def _close_browser(self) -> None:
        browser, self._browser, self._page = self._browser, None, None
        if browser is not None:
            await browser.close()

    # -- listening to it

    async def _attend(self) -> None:
        after = seen = 0
        while True:
            batch = await self._listen(after, seen)
            if batch is None:
                after = seen = 0
                continue
            after, seen = batch["last"], batch["seen"]
            for event in batch["events"]:
                self._watcher.event(event)
            if await self._observe(PageState.read(batch["state"])) or await self._renewed():
                after = seen = 0

    async def _renewed(self) -> bool:
        """Load the page anew if that is asked for. Nothing has failed: the ladder is not told."""
        if self._renewal is None:
            return False
        self._watcher.lost("page_renewed")
        self._renewal_begins()
        await self._climb(Rung.RELOAD)
        return True

    def _renewal_begins(self) -> None:
        if self._renewal is not None:
            self._renewal.set()

    async def _listen(self, after: int, seen: int) -> dict[str, Any] | None:
        """What is new, or None: the document was replaced and has our adapter again."""
        page, timeouts = self._page, self._config.timeouts
        assert page is not None
        argument = {"after": after, "seen": seen, "wait_ms": timeouts.heartbeat_s * 1000}
        try:
            answer = await page.call("listen", argument, timeouts.heartbeat_s + timeouts.answer_s)
        except PageMoved:
            await self._follow(page)
            return None
        except PageRefused as error:
            raise PageLost(f"the adapter cannot listen: {error}") from error
        self._moves = 0
        return answer

    async def _follow(self, page: WhatsAppPage) -> None:
        self._moves += 1
        if self._moves > _MOVES_IN_A_ROW:
            raise PageLost("the page navigates again and again")
        self._watcher.lost("page_moved")
        try:
            await page.inject()
        except PageMoved:
            await self._follow(page)

    async def _observe(self, state: PageState) -> bool:
        """Pass the state on; True when the page was replaced instead, because it was linked here."""
        phase, reason = phase_of(state)
        self._require_progress(phase, reason)
        if self._is_new_login(state):
            self._linked_at_s = time.time()
        if phase is Phase.READY and self._linked_at_s is not None:
            self._watcher.swapping(state)
            await self._new_page()
            return True
        if phase in {Phase.READY, Phase.LINKING}:
            self._ladder.healthy(time.monotonic())
        self._watcher.state(state)
        return False

    def _require_progress(self, phase: Phase, reason: str | None) -> None:
        """Raises PageHung when the page should be ready by now, and nobody but it is to blame."""
        now_s = time.monotonic()
        if phase in _SETTLED or reason == "conflict":
            self._stuck_since_s = None
        elif self._stuck_since_s is None:
            self._stuck_since_s = now_s
        elif now_s - self._stuck_since_s >= self._config.patience.stuck_s:
            self._stuck_since_s = None
            raise PageHung(f"the page stays {phase} ({reason or 'no reason'})")

    def _is_new_login(self, state: PageState) -> bool:
        """The page is linked, and the profile's last link was another: so it happened in this page."""
        if self._linked_at_s is not None or not state.authenticated or state.phone is None:
            return False
        return state.phone != self._profile.link().phone


def _reason(trouble: PageTrouble) -> str:
    return "page_hung" if isinstance(trouble, PageHung) else "page_lost"
