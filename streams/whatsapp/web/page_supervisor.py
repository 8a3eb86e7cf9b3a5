"""Keeps one page at WhatsApp Web alive: listens to it, and replaces what has failed.

Nothing here may send. Events go to a `PageObserver`; recovery_policy.py decides what is tried next, and
page_opener.py does it.
A `listen` call is open at all times, so a dead renderer, browser or driver is noticed at once, and
a hung one after a missed heartbeat.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from streams.whatsapp.driver import Phase
from streams.whatsapp.errors import (
    AdapterError,
    PageFailure,
    PageHung,
    PageIncomplete,
    PageLost,
    PageNavigated,
    PageStuck,
    WhatsAppUnreachable,
)
from streams.whatsapp.web.browser.launch import BrowserConfig
from streams.whatsapp.web.browser.profile import Profile
from streams.whatsapp.web.page import WhatsAppPage
from streams.whatsapp.web.page_opener import PageOpener
from streams.whatsapp.web.recovery_policy import (
    RecoveryLevel,
    RecoveryPolicy,
    RecoveryStep,
    Stall,
    StuckDetector,
)
from streams.whatsapp.web.session import PageState, PhaseInfo, derive_phase, is_unlinked

log = logging.getLogger(__name__)

# A page that keeps reloading itself gets no further. A logout reloads it once; a server that refuses its
# version makes it do so each time it connects (source: WAWebUpdater).
_MAX_NAVIGATIONS = 5


class PageObserver(Protocol):
    """Receives what the page reports. Must not block."""

    def on_state(self, state: PageState) -> None:
        """The page is in this state."""
        ...

    def on_page_replacement(self, state: PageState) -> None:
        """The page is linked; it is replaced before it counts as ready."""
        ...

    def on_event(self, event: Mapping[str, Any]) -> None:
        """The adapter reported a receipt or a message."""
        ...

    def on_page_lost(self, reason: str) -> None:
        """There is no usable page; a new one is being opened."""
        ...


class PageSupervisor:
    """One account's browser and page. `run` must be one task."""

    def __init__(
        self,
        config: BrowserConfig,
        profile: Profile,
        bundle: str,
        observer: PageObserver,
        random_fraction: Callable[[], float],
    ) -> None:
        self._config = config
        self._profile = profile
        self._opener = PageOpener(config, profile, bundle)
        self._observer = observer
        self._recovery_policy = RecoveryPolicy(config.recovery, random_fraction)
        self._unreachable_attempts = 0
        self._navigations = 0
        self._was_unlinked = False
        self._stall = Stall()
        self._stuck_detector = StuckDetector(config.recovery)
        self._reload_request: asyncio.Event | None = None  # set when the reload begins

    @property
    def page(self) -> WhatsAppPage | None:
        """The page, in whatever state it is."""
        return self._opener.page

    @property
    def start_times_s(self) -> dict[str, float]:
        """Seconds from the last start to each step that was reached."""
        return self._opener.start_timer.times_s

    async def reload(self) -> bool:
        """Reload the page. Returns as soon as the old page does not count as ready any more.

        False: nothing will be done. The supervisor is busy with something else, or the server has not
        acked a message yet: a page forgets to send it when it is reloaded.
        """
        timeouts, request = self._config.timeouts, asyncio.Event()
        self._reload_request = request
        try:
            async with asyncio.timeout(timeouts.heartbeat_s + timeouts.answer_s):
                await request.wait()
        except TimeoutError:
            return False
        finally:
            self._reload_request = None
        return True

    async def run(self) -> str:
        """Keep the page alive until cancelled. The browser ends with this task.

        Returns why it gave up: the page has died again and again. Neither the network nor WhatsApp's
        server can cause that.

        Raises:
            BrowserMissing, ProfileInUse, DiskFull: another attempt would not help now.
        """
        step = RecoveryStep(RecoveryLevel.NEW_BROWSER, 0.0)
        try:
            while True:
                await asyncio.sleep(step.delay_s)
                failure = await self._run_until_failure(step.level)
                next_step = self._next_step(failure)
                if next_step is None:
                    return f"gave up: {failure}"
                log.warning("page lost (%s), next: %s", failure, next_step.level.name.lower())
                step = next_step
        finally:
            await self._opener.close()

    async def _run_until_failure(self, level: RecoveryLevel) -> PageFailure | WhatsAppUnreachable:
        try:
            await self._open(level)
            self._unreachable_attempts = 0
            await self._watch_page()
        except WhatsAppUnreachable as error:
            self._observer.on_page_lost(_unreachable_reason(error))
            return error
        except PageFailure as error:
            self._observer.on_page_lost(_failure_reason(error))
            return error
        finally:
            self._confirm_reload_request()
        raise AssertionError("a page is watched until it fails")

    async def _open(self, level: RecoveryLevel) -> None:
        """Open the page. One that logs out at its start navigates while wa-js is put into it."""
        try:
            await self._opener.open(level)
        except PageNavigated:
            if self._opener.page is None:
                raise
            await self._reinject(self._opener.page)

    def _next_step(self, failure: PageFailure | WhatsAppUnreachable) -> RecoveryStep | None:
        if isinstance(failure, WhatsAppUnreachable):
            self._unreachable_attempts += 1
            return RecoveryStep(
                RecoveryLevel.RELOAD,
                self._recovery_policy.unreachable_delay_s(self._unreachable_attempts),
            )
        return self._recovery_policy.record_failure(
            time.monotonic(),
            self._min_level(failure),
            is_death=not isinstance(failure, PageStuck),
        )

    def _min_level(self, failure: PageFailure) -> RecoveryLevel:
        """The lowest level that can cure this failure."""
        if not self._opener.is_browser_alive:
            return RecoveryLevel.NEW_BROWSER
        return (
            RecoveryLevel.NEW_PAGE
            if isinstance(failure, PageHung | PageLost)
            else RecoveryLevel.RELOAD
        )

    # -- listening to the page

    async def _watch_page(self) -> None:
        after = state_version = 0
        self._stall = Stall()
        self._stuck_detector.reset()
        while True:
            batch = await self._listen(after, state_version)
            if batch is None:
                after = state_version = 0
                continue
            after, state_version = batch["last"], batch["state_version"]
            for event in batch["events"]:
                self._observer.on_event(event)
            state = PageState.parse(batch["state"])
            if await self._handle_state(state) or await self._reload_if_due(state):
                after = state_version = 0

    async def _reload_if_due(self, state: PageState) -> bool:
        """Reload the page if it is requested or needed. It is not a failure: the recovery policy is not used."""
        is_requested = self._reload_request is not None and state.pending == 0
        if not is_requested and not state.needs_reload:
            return False
        self._observer.on_page_lost("page_reloaded" if is_requested else "qr_expired")
        self._confirm_reload_request()
        await self._open(RecoveryLevel.RELOAD)
        return True

    def _confirm_reload_request(self) -> None:
        if self._reload_request is not None:
            self._reload_request.set()

    async def _listen(self, after: int, state_version: int) -> dict[str, Any] | None:
        """The adapter's state and events, or None: the document was replaced, and has the adapter again."""
        page, timeouts = self._opener.page, self._config.timeouts
        assert page is not None
        argument = {
            "after": after,
            "state_version": state_version,
            "wait_ms": timeouts.heartbeat_s * 1000,
        }
        try:
            answer = await page.call("listen", argument, timeouts.heartbeat_s + timeouts.answer_s)
        except PageNavigated:
            await self._reinject(page)
            return None
        except AdapterError as error:
            raise PageLost(f"the adapter cannot listen: {error}") from error
        return answer

    async def _reinject(self, page: WhatsAppPage) -> None:
        self._navigations += 1
        if self._navigations > _MAX_NAVIGATIONS:
            self._navigations = 0
            raise PageStuck("the page keeps reloading itself")
        self._observer.on_page_lost("page_navigated")
        try:
            await page.inject()
        except PageNavigated:
            await self._reinject(page)

    async def _handle_state(self, state: PageState) -> bool:
        """Report the state. True if the page was replaced instead, because it has just been linked."""
        info = derive_phase(state)
        self._record_start(state, info.phase)
        self._check_progress(info)
        self._check_stall(state, info.phase)
        if self._is_new_login(state):
            self._opener.linked_at_s = time.time()
        if info.phase is Phase.READY and self._opener.linked_at_s is not None:
            self._observer.on_page_replacement(state)
            await self._open(RecoveryLevel.NEW_PAGE)
            return True
        if info.phase in {Phase.READY, Phase.LINKING}:
            self._recovery_policy.record_healthy(time.monotonic())
            self._navigations = 0
        self._observer.on_state(state)
        return False

    def _record_start(self, state: PageState, phase: Phase) -> None:
        if state.is_connected:
            self._opener.start_timer.record("connected")
        if phase is Phase.READY:
            self._opener.start_timer.record("ready")

    def _check_progress(self, info: PhaseInfo) -> None:
        """Raises PageStuck if the page should be ready by now and nothing else keeps it from that."""
        if self._stuck_detector.is_stuck(info, time.monotonic()):
            self._stuck_detector.reset()
            raise PageStuck(f"the page stays {info.phase} ({info.reason or 'no reason'})")

    def _check_stall(self, state: PageState, phase: Phase) -> None:
        """Raises PageStuck if a message does not leave the page, although it could."""
        stalled_s = self._stall.measure_s(state.pending_since_ms, phase, time.monotonic())
        if stalled_s >= self._config.recovery.stall_timeout_s:
            self._stall = Stall()
            raise PageStuck(f"the server has not acked a message for {stalled_s:.0f} s")

    def _is_new_login(self, state: PageState) -> bool:
        """Whether the page has been linked since it was opened, or while it was being opened."""
        self._was_unlinked = self._was_unlinked or is_unlinked(state)
        if self._opener.linked_at_s is not None or not state.authenticated or state.phone is None:
            return False
        was_unlinked, self._was_unlinked = self._was_unlinked, False
        return was_unlinked or state.phone != self._profile.load_link().phone


def _unreachable_reason(error: WhatsAppUnreachable) -> str:
    return "page_incomplete" if isinstance(error, PageIncomplete) else "whatsapp_unreachable"


def _failure_reason(failure: PageFailure) -> str:
    if isinstance(failure, PageStuck):
        return "page_stuck"
    return "page_hung" if isinstance(failure, PageHung) else "page_lost"
