"""The account's browser while the lane is ours: started, started again when it gives up, and surely ended.

Knows no Kafka and nothing of messages. Who needs the session waits for it here, for a bounded time.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from streams.domain import backoff
from streams.domain.errors import Error
from streams.whatsapp.driver import Driver, Phase, Receipt, Received, Session
from streams.whatsapp.errors import BrowserError

log = logging.getLogger(__name__)

# Who hands a release back after this does not wait for each of the next ones again: the time runs
# from the moment at which the session was lost.
PATIENCE_S: Final = 5.0

# What only a person can end.
_STANDS: Final = frozenset({Phase.LINKING, Phase.RESTRICTED, Phase.LOGGED_OUT})
_CODES: Final = {
    Phase.LINKING: "not_logged_in",
    Phase.LOGGED_OUT: "not_logged_in",
    Phase.RESTRICTED: "account_restricted",
}


class NoSession(Exception):
    """Nothing can be asked of WhatsApp now; `error` says why."""

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code}: {error.detail}")
        self.error = error


class Seat:
    """Holds one driver at a time; `changed` and `heard` are called on the loop and must not block."""

    def __init__(
        self,
        make_driver: Callable[[], Driver],
        *,
        changed: Callable[[Session], None],
        heard: Callable[[Receipt | Received], None],
    ) -> None:
        self._make_driver = make_driver
        self._changed = changed
        self._heard = heard
        self._driver: Driver | None = None
        self._task: asyncio.Task[None] | None = None
        self._session = Session(Phase.STOPPED, since_s=time.time())
        self._moved = asyncio.Event()
        self._lost_at_s = time.monotonic()

    @property
    def session(self) -> Session:
        """Where it stands; STOPPED while there is no driver."""
        return self._session

    @property
    def driver(self) -> Driver | None:
        """The driver, whatever its state."""
        return self._driver

    # -- life

    def open(self) -> None:
        """Begin to keep a browser."""
        assert self._task is None, "the seat is open"
        self._lost_at_s = time.monotonic()
        self._task = asyncio.create_task(self._keep(), name="seat")

    async def close(self) -> None:
        """End the browser; when this returns nothing more leaves it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self) -> None:
        failures = 0
        while True:
            began_s = time.monotonic()
            reason = await self._drive()
            failures = 0 if time.monotonic() - began_s > 60.0 else failures + 1
            pause_s = backoff.deferral_delay_s(failures)
            log.error("the browser has stopped (%s), next try in %.1f s", reason, pause_s)
            self._see(Session(Phase.STOPPED, link=self._session.link, reason=reason))
            await asyncio.sleep(pause_s)

    async def _drive(self) -> str:
        """One driver, from its start until it gives up; returns why."""
        self._driver = driver = self._make_driver()
        receipts: asyncio.Task[None] | None = None
        try:
            await driver.start()
            receipts = asyncio.create_task(self._listen(driver), name="receipts")
            return await self._watch(driver)
        except BrowserError as error:
            return str(error)
        finally:
            self._driver = None
            await driver.stop()
            if receipts is not None:
                receipts.cancel()
                await asyncio.gather(receipts, return_exceptions=True)
            self._see(Session(Phase.STOPPED, since_s=time.time()))

    async def _watch(self, driver: Driver) -> str:
        session = driver.session
        async for session in driver.changes():
            if session.phase is Phase.STOPPED:
                break
            self._see(session)
        return session.reason or "no reason given"

    async def _listen(self, driver: Driver) -> None:
        async for heard in driver.receipts():
            self._heard(heard)

    def _see(self, session: Session) -> None:
        was_ready = self._session.phase is Phase.READY
        self._session = session
        if was_ready and session.phase is not Phase.READY:
            self._lost_at_s = time.monotonic()
        self._moved.set()
        self._moved = asyncio.Event()
        self._changed(session)

    # -- waiting

    async def ready(self, *, until_s: float, patience_s: float = PATIENCE_S) -> Driver:
        """The driver, as soon as its session is ready; until `until_s` (epoch) and not longer than the patience.

        Raises:
            NoSession: it is not ready in time, or only a person can make it so.
        """
        ends_s = self._lost_at_s + patience_s
        while True:
            if self._session.phase is Phase.READY and self._driver is not None:
                return self._driver
            left_s = min(ends_s - time.monotonic(), until_s - time.time())
            if left_s <= 0 or self._session.phase in _STANDS:
                raise NoSession(self._problem())
            await self._wait(left_s)

    async def _wait(self, within_s: float) -> None:
        moved = self._moved
        try:
            async with asyncio.timeout(within_s):
                await moved.wait()
        except TimeoutError:
            return

    def _problem(self) -> Error:
        session = self._session
        code = _CODES.get(session.phase, "disconnected")
        detail = f"the session is {session.phase}"
        return Error(code, f"{detail} ({session.reason})" if session.reason else detail)
