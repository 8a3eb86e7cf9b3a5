"""What an ownership does of its own accord, over and over: rows, acks that were missed, the page's garbage.

Sends nothing and decides nothing. Every loop ends with the ownership's tasks.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from streams.domain.accounts.pacing import DAY_S
from streams.domain.sending.claim import Claim
from streams.domain.sending.claim_times import find_send_time_s
from streams.sender.attempts.runner import AttemptRunner
from streams.sender.claim_store import ClaimStore
from streams.sender.clock import Clock
from streams.sender.monitoring.page_monitor import PageMonitor
from streams.sender.pace.account_pace import AccountPace
from streams.sender.receipts import ReceiptTracker
from streams.whatsapp.driver import Driver

log = logging.getLogger(__name__)

SWEEP_INTERVAL_S: Final = 30.0
IDLE_CHECK_S: Final = 10.0


class Upkeep:
    """The loops of one ownership. Each is a task of the ownership, which begins and ends them."""

    def __init__(
        self,
        *,
        claim_store: ClaimStore,
        pace: AccountPace,
        receipts: ReceiptTracker,
        page_monitor: PageMonitor,
        runner: AttemptRunner,
        get_driver: Callable[[], Driver | None],
        is_idle: Callable[[], bool],
        clock: Clock,
    ) -> None:
        """`is_idle` says whether no dispatch is being worked on."""
        self._claim_store = claim_store
        self._pace = pace
        self._receipts = receipts
        self._page_monitor = page_monitor
        self._runner = runner
        self._get_driver = get_driver
        self._is_idle = is_idle
        self._clock = clock
        self._ready_event = asyncio.Event()

    def notify_ready(self) -> None:
        """The session has become ready."""
        self._ready_event.set()

    # -- rows

    async def load_recent_sends(self) -> None:
        """What earlier ownerships sent, or may have sent: for today's pace, and for receipts that were missed."""
        now_mono_s = self._clock.monotonic_s()
        latest: list[tuple[float, str, Claim]] = []
        async for whatsapp_id, claim in self._claim_store.scan_all():
            at_s = find_send_time_s(claim)
            if at_s is not None and (age_s := self._clock.age_s(at_s)) < DAY_S:
                latest.append((now_mono_s - age_s, whatsapp_id, claim))
        for sent_mono_s, whatsapp_id, claim in sorted(latest, key=lambda item: item[0]):
            self._pace.pacer.record_sent(sent_mono_s)
            self._receipts.watch(whatsapp_id, claim)

    async def sweep_claims(self) -> None:
        """Remove the rows that nobody needs any more."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            await self._claim_store.flush()
            await self._claim_store.sweep()
            await self._pace.recipients.sweep()

    # -- the page

    async def collect_garbage(self) -> None:
        """Have the page collect its garbage while nothing is to be sent."""
        while True:
            await asyncio.sleep(IDLE_CHECK_S)
            if self._is_idle():
                await self._runner.collect_garbage()

    async def refresh_acks(self) -> None:
        """Whenever the session is ready, also if it was lost and came back during a refresh."""
        while True:
            await self._ready_event.wait()
            self._ready_event.clear()
            driver = self._get_driver()
            if driver is not None:
                await self._receipts.refresh_acks(driver)
                await self._record_versions(driver)

    async def _record_versions(self, driver: Driver) -> None:
        """A metric: a page that cannot be read for it must not end the sender."""
        try:
            await self._page_monitor.record_versions(driver)
        except Exception:
            log.exception("the versions of WhatsApp's page cannot be read")
