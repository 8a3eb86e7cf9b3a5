"""One tenure of the lane: from the recovery of its table until the partition is given back.

Everything that may touch WhatsApp or the table lives in here and has ended when `close` returns. So
what a former tenure left open is settled by the next one alone, in whichever process that is.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streams.contract.account import AccountRecord
from streams.domain.accounts.pacing import DAY_S, Pace, Pacer
from streams.domain.phone.events import Event, OutcomeUnknown, Sent
from streams.domain.sending.claim import Claim
from streams.sender.account import Account, Terminal
from streams.sender.claims import Claims, Table
from streams.sender.lane import FINISH_WITHIN_S, Lane
from streams.sender.metrics import Metrics
from streams.sender.receipts import Receipts
from streams.sender.session import Seat
from streams.sender.standing import Standing
from streams.sender.submit import Fence, Limits, Sending
from streams.settings import Settings
from streams.whatsapp.driver import Driver, Phase, Session

log = logging.getLogger(__name__)

SWEEP_EVERY_S: Final = 30.0
TIDY_EVERY_S: Final = 600.0  # of a page that is hardly sent to, but hears


@dataclass(frozen=True, slots=True)
class World:
    """What a tenure needs of Kafka and of the browser.

    `tell` puts events on the phones' log and `tell_account` a record on `wa.accounts`, both durable when
    they return. `give_back` is for records that stay unanswered, `failed` for what must end the process.
    """

    table: Table
    fence: Fence
    make_driver: Callable[[], Driver]
    tell: Callable[[Sequence[Event]], Awaitable[object]]
    tell_account: Callable[[AccountRecord], Awaitable[object]]
    give_back: Callable[[Any], object]
    failed: Callable[[BaseException], object]
    metrics: Metrics


class Tenure:
    """The parts of one tenure, put together."""

    def __init__(self, settings: Settings, account: str, world: World) -> None:
        self._world = world
        self._rows = Claims(world.table, keep_s=settings.dedup_s, now_s=time.time)
        self._pacer = Pacer(pace(settings))
        self._standing = Standing(self._rows, self._standing_changed)
        self._terminal = Terminal(account)
        self._account = Account(
            account,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            daily_cap=settings.account_daily_cap,
            standing=self._standing,
            pacer=self._pacer,
            publish=world.tell_account,
            now_s=time.time,
        )
        self._receipts = Receipts(
            account=account, rows=self._rows, publish=world.tell, metrics=world.metrics
        )
        self.seat = Seat(
            world.make_driver, changed=self._session_changed, heard=self._receipts.heard
        )
        self._sending = Sending(
            seat=self.seat,
            rows=self._rows,
            pacer=self._pacer,
            standing=self._standing,
            limits=limits(settings),
            fence=world.fence,
            paced=self._account.changed,
        )
        self.lane = Lane(
            account=account,
            namespace=settings.topic_prefix,
            sending=self._sending,
            rows=self._rows,
            publish=world.tell,
            give_back=world.give_back,
            failed=world.failed,
            metrics=world.metrics,
            answered=self._receipts.watch,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._asking: asyncio.Task[None] | None = None

    # -- life

    async def open(self) -> None:
        """Read the rows, then begin."""
        await self._load()
        self._standing.load()
        self.lane.open()
        self._keep(self._receipts.run(), "receipts")
        self._keep(self._account.run(), "account")
        self._keep(self._sweep(), "sweep")
        self._keep(self._tidy(), "tidy")
        self.seat.open()

    async def close(self) -> None:
        """Finish what can be finished soon, end the browser, say so."""
        await self.lane.close()
        await self.seat.close()
        if self._asking is not None:
            self._tasks.append(self._asking)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(FINISH_WITHIN_S):
                await self._rows.flush()
                await self._account.stopped()
        except TimeoutError:
            log.warning("the broker does not answer: nobody is told that the account has stopped")

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._world.failed(error)

    # -- rows

    async def _load(self) -> None:
        """What earlier tenures sent: for the pace of today, and for receipts that were missed."""
        since_s = time.time() - DAY_S
        sent: list[float] = []
        latest: list[tuple[float, str, Claim]] = []
        async for name, row in self._rows.all():
            if isinstance(row.result, Sent | OutcomeUnknown) and row.result.at_s > since_s:
                sent.append(row.result.at_s)
                latest.append((row.result.at_s, name, row))
        for at_s in sorted(sent):
            self._pacer.record_sent(at_s)
        for _, name, row in sorted(latest, key=lambda each: each[0]):
            self._receipts.watch(name, row)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            await self._rows.flush()
            await self._rows.sweep()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_EVERY_S)
            if not len(self.lane):
                await self._sending.tidy()

    # -- the session

    def _session_changed(self, session: Session) -> None:
        self._account.follow(session)
        self._terminal.follow(session)
        if session.phase is Phase.READY and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask_again(), name="ask-again")

    async def _ask_again(self) -> None:
        driver = self.seat.driver
        if driver is not None:
            await self._receipts.ask_again(driver)

    def _standing_changed(self) -> None:
        self._account.changed()


def pace(settings: Settings) -> Pace:
    """How fast the account may send."""
    return Pace(
        interval_s=settings.send_interval_ms / 1000,
        per_minute=settings.account_rate_per_minute,
        per_day=settings.account_daily_cap,
    )


def limits(settings: Settings) -> Limits:
    """How long a submit may take."""
    return Limits(ack_within_s=settings.ack_within_s, lease_s=settings.kafka_session_s)
