"""The account's browser while this process owns the send topic: started, restarted when it stops, ended for certain.

Knows nothing of Kafka or of the messages to be sent. If you need the session, wait for it here, for a
bounded time.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from streams.domain.backoff import Backoff, BackoffSeries
from streams.domain.errors import Error
from streams.sender.clock import Clock
from streams.system.tasks import cancel_tasks
from streams.whatsapp.diagnosis import Diagnosis, hide_personal
from streams.whatsapp.driver import Driver, Phase, Received, SessionState
from streams.whatsapp.errors import BrowserError

log = logging.getLogger(__name__)

# It runs from the moment at which the session was lost: after it, dispatches are deferred at once, and
# not each of them after a wait of its own.
RECONNECT_TIMEOUT_S: Final = 5.0
_RESTART_BACKOFF: Final = Backoff(base_delay_s=1.0, max_delay_s=30.0)
_RESTART_RESET_S: Final = 60.0

# WhatsApp's server is down, which only its reason distinguishes from a restriction of the account.
SERVICE_UNAVAILABLE: Final = "service_unavailable"
_ERROR_CODES: Final = {
    Phase.LINKING: "not_logged_in",
    Phase.LOGGED_OUT: "not_logged_in",
    Phase.RESTRICTED: "account_restricted",
}


class SessionUnavailable(Exception):
    """WhatsApp cannot be reached now; `error` says why. It stays so until `until_s`; 0: not known."""

    def __init__(self, error: Error, until_s: float = 0.0) -> None:
        super().__init__(f"{error.code}: {error.detail}")
        self.error = error
        self.until_s = until_s


class BrowserSession:
    """Holds one driver at a time; `on_change` and `on_received` are called on the loop and must not block."""

    def __init__(
        self,
        make_driver: Callable[[], Driver],
        *,
        on_change: Callable[[SessionState], None],
        on_received: Callable[[Received], None],
        clock: Clock,
        admit: Callable[[SessionState], SessionState] = lambda state: state,
    ) -> None:
        """`admit` decides as what a state of the driver counts, for everybody who uses this session."""
        self._admit = admit
        self._make_driver = make_driver
        self._on_change = on_change
        self._on_received = on_received
        self._driver: Driver | None = None
        self._task: asyncio.Task[None] | None = None
        self._clock = clock
        self._state = SessionState(Phase.STOPPED, since_s=clock.now_s())
        self._reported_state = self._state
        self._change_event = asyncio.Event()
        self._lost_at_s = clock.monotonic_s()

    @property
    def state(self) -> SessionState:
        """The state of the session; STOPPED while there is no driver."""
        return self._state

    @property
    def reported_state(self) -> SessionState:
        """The state as the driver reports it: only for the decision whether the session may be used."""
        return self._reported_state

    @property
    def driver(self) -> Driver | None:
        """The driver, whatever its state."""
        return self._driver

    def get_ready_driver(self) -> Driver | None:
        """The driver while its session is ready."""
        return self._driver if self._state.phase is Phase.READY else None

    def find_problem(self, driver: Driver) -> SessionUnavailable | None:
        """Why this driver may not be used at this moment; None: its session is ready."""
        if self._driver is not driver:
            return SessionUnavailable(Error("disconnected", "the browser has been replaced"), 0.0)
        if self._state.phase is Phase.READY:
            return None
        return SessionUnavailable(_make_error(self._state), _get_end_s(self._state))

    async def diagnose(self) -> Diagnosis:
        """The driver's diagnosis; between two drivers, only why there is none."""
        state = self._state
        if self._driver is not None:
            diagnosis = await self._driver.diagnose()
            if state.phase is self._reported_state.phase:
                return diagnosis
            return replace(diagnosis, phase=str(state.phase), reason=hide_personal(state.reason))
        return Diagnosis(
            taken_at_s=self._clock.now_s(),
            phase=str(state.phase),
            reason=hide_personal(state.reason),
            phase_since_s=state.since_s,
            page_error="there is no browser",
        )

    # -- life

    def open(self) -> None:
        """Start the browser, and restart it whenever it stops."""
        assert self._task is None, "the session is open already"
        self._lost_at_s = self._clock.monotonic_s()
        self._task = asyncio.create_task(self._run(), name="browser-session")

    async def close(self) -> None:
        """End the browser; nothing leaves it any more when this returns."""
        task, self._task = self._task, None
        if task is not None:
            await cancel_tasks(task)

    async def _run(self) -> None:
        restarts = BackoffSeries(
            _RESTART_BACKOFF, reset_after_s=_RESTART_RESET_S, random_fraction=random.random
        )
        while True:
            started_s = self._clock.monotonic_s()
            reason = await self._run_driver()
            pause_s = restarts.record_failure(uptime_s=self._clock.monotonic_s() - started_s)
            log.error("the browser has stopped (%s), next try in %.1f s", reason, pause_s)
            self._set_state(SessionState(Phase.STOPPED, link=self._state.link, reason=reason))
            await asyncio.sleep(pause_s)

    async def _run_driver(self) -> str:
        """Run one driver from its start until it stops; returns why it stopped."""
        self._driver = driver = self._make_driver()
        receipts: asyncio.Task[None] | None = None
        try:
            await driver.start()
            receipts = asyncio.create_task(self._forward_received(driver), name="receipts")
            return await self._follow_state(driver)
        except BrowserError as error:
            return str(error)
        finally:
            self._driver = None
            await driver.stop()
            if receipts is not None:
                await cancel_tasks(receipts)
            link, since_s = self._state.link, self._clock.now_s()  # the link outlives the browser
            self._set_state(SessionState(Phase.STOPPED, link=link, since_s=since_s))

    async def _follow_state(self, driver: Driver) -> str:
        state = driver.session
        async for state in driver.watch_session():
            if state.phase is Phase.STOPPED:
                break
            self._set_state(state)
        return state.reason or "no reason given"

    async def _forward_received(self, driver: Driver) -> None:
        async for received in driver.watch_incoming():
            if self._is_own_session():
                self._on_received(received)

    def _is_own_session(self) -> bool:
        """Whether what the page receives is the account's; a page with another number counts as `linking`."""
        return self._state.phase is not Phase.LINKING or self._reported_state.phase is Phase.LINKING

    def apply_admission(self) -> None:
        """As what the current state of the driver counts may have changed."""
        if self._admit(self._reported_state) != self._state:
            self._set_state(self._reported_state)

    def _set_state(self, reported_state: SessionState) -> None:
        self._reported_state = reported_state
        state = self._admit(reported_state)
        was_ready = self._state.phase is Phase.READY
        self._state = state
        if was_ready and state.phase is not Phase.READY:
            self._lost_at_s = self._clock.monotonic_s()
        self._change_event.set()
        self._change_event = asyncio.Event()
        self._on_change(state)

    # -- waiting

    async def wait_until_ready(
        self, *, deadline_mono_s: float, reconnect_timeout_s: float = RECONNECT_TIMEOUT_S
    ) -> Driver:
        """The driver, as soon as its session is ready.

        Waits until `deadline_mono_s`, and at most `reconnect_timeout_s` after the session was lost.

        Raises:
            SessionUnavailable: it is not ready in time, or it is certain that it will not be.
        """
        reconnect_deadline_s = self._lost_at_s + reconnect_timeout_s
        while True:
            if self._state.phase is Phase.READY and self._driver is not None:
                return self._driver
            now_mono_s = self._clock.monotonic_s()
            remaining_s = min(reconnect_deadline_s, deadline_mono_s) - now_mono_s
            end_s = self._clock.now_s() + remaining_s
            if remaining_s <= 0 or _is_hopeless(self._state, end_s):
                raise SessionUnavailable(_make_error(self._state), _get_end_s(self._state))
            await self._wait_for_change(remaining_s)

    async def _wait_for_change(self, timeout_s: float) -> None:
        change_event = self._change_event
        try:
            async with asyncio.timeout(timeout_s):
                await change_event.wait()
        except TimeoutError:
            return


def needs_person(state: SessionState) -> bool:
    """Whether only a person can end this phase: a ban ends by itself, and so does an outage of WhatsApp."""
    if state.phase is Phase.RESTRICTED:
        return state.until_s is None and state.reason != SERVICE_UNAVAILABLE
    return state.phase in (Phase.LINKING, Phase.LOGGED_OUT)


def _is_hopeless(state: SessionState, deadline_s: float) -> bool:
    """Whether the session will certainly not be ready before the deadline."""
    return needs_person(state) or _get_end_s(state) > deadline_s


def _get_end_s(state: SessionState) -> float:
    """When a restriction ends; 0: not known. A lost connection may come back at any time."""
    return (state.until_s or 0.0) if state.phase is Phase.RESTRICTED else 0.0


def _make_error(state: SessionState) -> Error:
    code = _ERROR_CODES.get(state.phase, "disconnected")
    if state.reason == SERVICE_UNAVAILABLE:
        code = "disconnected"
    detail = f"the session is {state.phase}"
    return Error(code, f"{detail} ({state.reason})" if state.reason else detail)
