"""The browser session with a driver in memory: restarts, back-off, and waiting with a timeout."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from streams.sender import browser_session
from streams.sender.browser_session import (
    _RESTART_BACKOFF,
    BrowserSession,
    SessionUnavailable,
    needs_person,
)
from streams.sender.clock import Clock
from streams.testing.fake_driver import FakeDriver
from streams.whatsapp.driver import Phase, Receipt, Received, SessionState
from streams.whatsapp.errors import BrowserMissing
from tests.sender.fast import run_until_idle, until

SOON_S = 4e9  # a deadline that is never reached


class Harness:
    """A session on one driver, with everything that it reports."""

    def __init__(self) -> None:
        self.driver = FakeDriver()
        self.states: list[SessionState] = []
        self.received: list[Received] = []
        self.session = BrowserSession(
            lambda: self.driver,
            on_change=self.states.append,
            on_received=self.received.append,
            clock=Clock(time.time),
        )

    async def open(self) -> None:
        """Open it, and wait until it is ready."""
        self.session.open()
        await self.wait_for(Phase.READY)

    async def wait_for(self, phase: Phase) -> None:
        """Await this phase."""
        await until(lambda: self.session.state.phase is phase)


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    """One that is closed with the test."""
    harness = Harness()
    yield harness
    await harness.session.close()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The failures before each pause; no pause takes time."""
    failures: list[int] = []

    class NoPause:
        def delay_s(self, *, retry: int, random_fraction: float) -> float:
            failures.append(retry + 1)
            return 0.0

    monkeypatch.setattr(browser_session, "_RESTART_BACKOFF", NoPause())
    return failures


async def test_every_phase_is_reported(harness: Harness) -> None:
    """They come in order, from STARTING to STOPPED; the driver exists only in between."""
    assert harness.session.state.phase is Phase.STOPPED
    await harness.open()
    assert harness.session.driver is harness.driver
    harness.driver.set_phase(Phase.RECONNECTING, reason="conflict")
    await harness.wait_for(Phase.RECONNECTING)
    await harness.session.close()
    phases = [state.phase for state in harness.states]
    assert phases[-3:] == [Phase.READY, Phase.RECONNECTING, Phase.STOPPED]
    assert harness.session.driver is None
    assert harness.driver.session.phase is Phase.STOPPED


async def test_a_driver_that_stops_is_started_again(harness: Harness, pauses: list[int]) -> None:
    """The pause grows with each failure, and the reason is reported."""
    await harness.open()
    for count in (1, 2, 3):
        harness.driver.set_phase(Phase.STOPPED, reason=f"crash {count}")
        await until(lambda count=count: harness.driver.start_count > count)
        await harness.wait_for(Phase.READY)
    assert pauses == [1, 2, 3]
    reasons = [state.reason for state in harness.states if state.reason]
    assert reasons == ["crash 1", "crash 2", "crash 3"]
    links = {state.link for state in harness.states if state.phase is Phase.STOPPED}
    assert links == {harness.driver.link}, "a message in doubt would be of another link"


async def test_a_driver_that_cannot_start_is_tried_again(
    harness: Harness, pauses: list[int]
) -> None:
    """The reason of the stop says what to do about it."""
    harness.driver.fail_next_start(BrowserMissing("install a browser"))
    harness.driver.fail_next_start(BrowserMissing("install a browser"))
    await harness.open()
    assert pauses == [1, 2]
    assert "install a browser" in {state.reason for state in harness.states}


def test_the_pause_before_a_restart_doubles() -> None:
    """It grows from a second to half a minute."""
    assert [_RESTART_BACKOFF.delay_s(retry=retry) for retry in range(7)] == [1, 2, 4, 8, 16, 30, 30]


async def test_receipts_are_forwarded(harness: Harness) -> None:
    """They keep their order, also after a restart of the driver."""
    await harness.open()
    harness.driver.emit_receipt("3EB0A", "delivered")
    harness.driver.emit_receipt("3EB0A", "read")
    await until(lambda: len(harness.received) == 2)
    assert [receipt.kind for receipt in harness.received if isinstance(receipt, Receipt)] == [
        "delivered",
        "read",
    ]


async def test_waiting_ends_when_the_session_is_ready(harness: Harness) -> None:
    """The waiting task gets the driver."""
    waiting = asyncio.create_task(harness.session.wait_until_ready(deadline_mono_s=SOON_S))
    await run_until_idle()
    harness.session.open()
    assert await waiting is harness.driver


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        (Phase.LINKING, "not_logged_in"),
        (Phase.LOGGED_OUT, "not_logged_in"),
        (Phase.RESTRICTED, "account_restricted"),
    ],
)
async def test_a_phase_that_only_a_person_can_end_is_not_waited_for(
    harness: Harness, phase: Phase, code: str
) -> None:
    """The error is raised at once."""
    await harness.open()
    harness.driver.set_phase(phase)
    await harness.wait_for(phase)
    with pytest.raises(SessionUnavailable) as raised:
        await harness.session.wait_until_ready(deadline_mono_s=SOON_S)
    assert raised.value.error.code == code


async def test_a_restriction_with_an_end_is_not_waited_for(harness: Harness) -> None:
    """The caller learns its end; one that ends soon is waited for, like an outage of WhatsApp."""
    await harness.open()
    end_s = time.time() + 900
    harness.driver.set_phase(Phase.RESTRICTED, reason="temporarily_banned", until_s=end_s)
    await harness.wait_for(Phase.RESTRICTED)
    assert not needs_person(harness.session.state)
    with pytest.raises(SessionUnavailable, match="temporarily_banned") as raised:
        await harness.session.wait_until_ready(deadline_mono_s=SOON_S)
    assert (raised.value.error.code, raised.value.until_s) == ("account_restricted", end_s)
    for reason, until_s in (("temporarily_banned", time.time() + 1), ("service_unavailable", None)):
        harness.driver.set_phase(Phase.RESTRICTED, reason=reason, until_s=until_s)
        await until(lambda reason=reason: harness.session.state.until_s != end_s)
        waiting = asyncio.create_task(harness.session.wait_until_ready(deadline_mono_s=SOON_S))
        await run_until_idle()
        assert not waiting.done()
        harness.driver.set_phase(Phase.READY)
        assert await waiting is harness.driver


async def test_an_outage_of_whatsapp_is_no_restriction_of_the_account(harness: Harness) -> None:
    """It is a lost connection, of which nobody knows the end."""
    await harness.open()
    harness.driver.set_phase(Phase.RESTRICTED, reason="service_unavailable")
    await harness.wait_for(Phase.RESTRICTED)
    with pytest.raises(SessionUnavailable) as raised:
        await harness.session.wait_until_ready(deadline_mono_s=SOON_S, reconnect_timeout_s=0.0)
    assert (raised.value.error.code, raised.value.until_s) == ("disconnected", 0.0)


async def test_waiting_has_a_deadline(harness: Harness) -> None:
    """It is the dispatch's own deadline or the time since the session was lost, whichever is earlier."""
    await harness.open()
    harness.driver.set_phase(Phase.RECONNECTING, reason="conflict")
    await harness.wait_for(Phase.RECONNECTING)
    with pytest.raises(SessionUnavailable, match="disconnected: the session is reconnecting"):
        await harness.session.wait_until_ready(deadline_mono_s=time.monotonic() - 1)
    with pytest.raises(SessionUnavailable, match="conflict"):
        await harness.session.wait_until_ready(deadline_mono_s=SOON_S, reconnect_timeout_s=0.0)
    waiting = asyncio.create_task(harness.session.wait_until_ready(deadline_mono_s=SOON_S))
    await run_until_idle()
    harness.driver.set_phase(Phase.READY)
    assert await waiting is harness.driver
