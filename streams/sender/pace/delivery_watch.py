"""Looks now and then whether the account's messages arrive, and stops messages to strangers if most do not.

What that means is decided in streams/domain/accounts/deliveries.py. The rows of the messages know their receipts, so
nothing else is kept. A session that has just become ready says nothing: receipts of before are still being read.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from streams.domain.accounts.deliveries import Delivery, count_deliveries, is_counted
from streams.domain.accounts.restriction import UNDELIVERED, restriction_for_undelivered
from streams.domain.phone.events import Sent
from streams.sender.claim_store import ClaimStore
from streams.sender.clock import Clock
from streams.sender.restrictions import RestrictionStore
from streams.whatsapp.driver import Phase, SessionState

log = logging.getLogger(__name__)

INTERVAL_S: Final = 900.0
MIN_READY_S: Final = 600.0


class DeliveryWatch:
    """Restricts the account if more than `max_percent` of its recipients got nothing."""

    def __init__(
        self,
        *,
        claim_store: ClaimStore,
        restrictions: RestrictionStore,
        max_percent: int,
        get_session: Callable[[], SessionState],
        clock: Clock,
    ) -> None:
        self._claim_store = claim_store
        self._restrictions = restrictions
        self._max_percent = max_percent
        self._get_session = get_session
        self._clock = clock

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self.check()

    async def check(self) -> None:
        """Look once."""
        session, now_s = self._get_session(), self._clock.now_s()
        is_steady = session.phase is Phase.READY and now_s - session.since_s >= MIN_READY_S
        if not is_steady or not self._max_percent:
            return
        previous = self._restrictions.get(UNDELIVERED)
        if previous is not None and previous.is_in_force(session.link, now_s):
            return
        since_s = previous.until_s if previous is not None else 0.0
        count = count_deliveries(await self._read(now_s, since_s), now_s, since_s)
        if count.is_alarming(self._max_percent):
            log.error("%d of %d recipients got nothing", count.undelivered, count.recipients)
            await self._restrictions.begin(restriction_for_undelivered(session.link, now_s))

    async def _read(self, now_s: float, since_s: float) -> list[Delivery]:
        return [
            Delivery(claim.chat_id, claim.result.at_s, claim.receipt not in ("", "sent"))
            async for _, claim in self._claim_store.scan_all()
            if isinstance(claim.result, Sent)
            and claim.chat_id is not None
            and is_counted(claim.result.at_s, now_s, since_s)
        ]
