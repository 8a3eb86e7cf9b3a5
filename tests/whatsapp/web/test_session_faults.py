"""What a person and the sender see when WhatsApp's server or network fails: a real Chromium, the sandbox.

All tests share one linked driver. Its page may not be replaced by our recovery where the real page gets
over the fault by itself; the timeout for a stuck page is so short that it would be.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from streams.whatsapp.driver import NotSubmitted, Phase, ServerAccepted, SessionState
from streams.whatsapp.web.browser.launch import Timeouts
from streams.whatsapp.web.recovery_policy import RecoverySettings
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import link, make_text, read_pid, run_linked_driver, wait_for_phase
from tests.support.sandbox import Sandbox, SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

STUCK_TIMEOUT_S = 1.5
OUTAGE_S = 600.0  # until the test ends it, however long a browser needs to start
TIMEOUTS = Timeouts(heartbeat_s=0.3, answer_s=5.0, look_up_s=8.0, close_s=1.0)
PAGE_REASONS = {"page_stuck", "page_hung", "page_lost", "page_navigated", "page_reloaded"}


class Watcher:
    """The sessions that a driver has shown since the watcher began."""

    def __init__(self, driver: WhatsAppWeb) -> None:
        self.driver = driver
        self.sessions: list[SessionState] = []

    async def run(self) -> None:
        async for session in self.driver.watch_session():
            self.sessions.append(session)

    async def wait_for(
        self, is_expected: Callable[[SessionState], bool], timeout_s: float = 30.0
    ) -> SessionState:
        """The first session after now that is as expected, or the current one."""
        async with asyncio.timeout(timeout_s):
            async for session in self.driver.watch_session():
                if is_expected(session):
                    return session
        raise AssertionError("stopped")

    async def wait_past_the_stuck_timeout(self) -> None:
        """Recovery must not replace the page in a time in which a stuck page would be replaced."""
        with pytest.raises(TimeoutError):
            await self.wait_for(
                lambda session: session.reason in PAGE_REASONS, STUCK_TIMEOUT_S + 0.5
            )

    @property
    def reasons(self) -> set[str]:
        """All reasons so far."""
        return {session.reason for session in self.sessions if session.reason}


@contextlib.asynccontextmanager
async def watching(driver: WhatsAppWeb) -> AsyncIterator[Watcher]:
    """Record the sessions during the block."""
    watcher = Watcher(driver)
    task = asyncio.create_task(watcher.run())
    await asyncio.sleep(0)
    try:
        yield watcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="module")
def profile_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile of the module's drivers."""
    return tmp_path_factory.mktemp("profiles") / "main"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def driver(module_sandbox: Sandbox, profile_dir: Path) -> AsyncIterator[WhatsAppWeb]:
    """The module's driver, linked once."""
    recovery = RecoverySettings(
        max_failures=100, backoff_base_s=0.01, backoff_max_s=0.1, stuck_timeout_s=STUCK_TIMEOUT_S
    )
    async with run_linked_driver(
        module_sandbox, profile_dir, timeouts=TIMEOUTS, recovery=recovery
    ) as driver:
        yield driver


@pytest_asyncio.fixture(loop_scope="module")
async def control(module_sandbox: Sandbox, driver: WhatsAppWeb) -> AsyncIterator[SandboxControl]:
    """A client of the module's sandbox, with a driver that is ready. Its faults end with the test."""
    control = SandboxControl(module_sandbox.control_url)
    await wait_for_phase(driver, Phase.READY)
    await control.set_mark()
    yield control
    await control.clear_faults()


async def test_a_socket_that_is_down_is_not_ready(
    driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """The mode stays MAIN meanwhile (source: WAWebStreamModel). The page connects again by itself."""
    async with watching(driver) as watcher:
        await control.add_faults({"socket_down_s": OUTAGE_S})
        await watcher.wait_for(lambda session: session.phase is Phase.RECONNECTING)
        assert driver.session.reason == "disconnected"
        result = await driver.submit(make_text("3EB0C001"))
        assert isinstance(result, NotSubmitted)
        assert result.code == "disconnected"
        await watcher.wait_past_the_stuck_timeout()
        await control.clear_faults()
        await watcher.wait_for(lambda session: session.phase is Phase.READY)
        assert not watcher.reasons & PAGE_REASONS
    assert isinstance(await driver.submit(make_text("3EB0C002")), ServerAccepted)
    assert await control.fetch_new_ids() == ["3EB0C002"]


async def test_the_offline_delivery_is_waited_for(
    driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """Sends wait inside the page until its end (source: WAWebSendMsgJob), so the session is not ready."""
    async with watching(driver) as watcher:
        await control.add_faults({"offline_delivery_ms": int(2000 * STUCK_TIMEOUT_S)}, count=1)
        await control.add_faults({"drop_socket": True})
        session = await watcher.wait_for(lambda session: bool(session.progress))
        assert session.phase is Phase.SYNCING
        await watcher.wait_for(lambda session: session.phase is Phase.READY)
        assert not watcher.reasons & PAGE_REASONS
        progress = [session.progress for session in watcher.sessions if session.progress]
    assert len(set(progress)) > 3


async def test_a_ban_has_its_end_and_survives_the_browser(
    driver: WhatsAppWeb, control: SandboxControl, profile_dir: Path
) -> None:
    """Only an event tells of it (source: WAWebHandleFailure); the session is ready when it is over."""
    async with watching(driver) as watcher:
        end_s = time.time() + 8.0
        await control.add_faults({"ban": 8})
        session = await watcher.wait_for(lambda session: session.phase is Phase.RESTRICTED)
        assert session.reason == "temporarily_banned"
        assert session.until_s == pytest.approx(end_s, abs=3.0)
        result = await driver.submit(make_text("3EB0C003"))
        assert isinstance(result, NotSubmitted)
        assert result.code == "account_restricted"
        os.kill(read_pid(profile_dir, "browser"), signal.SIGKILL)
        await watcher.wait_for(lambda session: session.phase is Phase.READY)
        first = next(
            index
            for index, session in enumerate(watcher.sessions)
            if session.phase is Phase.RESTRICTED
        )
        phases = {session.phase for session in watcher.sessions[first:-1]}
    assert time.time() >= end_s - 1.0
    assert Phase.READY not in phases
    assert isinstance(await driver.submit(make_text("3EB0C004")), ServerAccepted)


async def test_an_unavailable_service_is_no_restriction(
    driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """The page goes on trying after a 503 (source: WAWebHandleFailure), and is not ready in between.

    At each attempt the socket is open for a moment, before the server refuses the login.
    """
    async with watching(driver) as watcher:
        await control.add_faults({"service_unavailable": True}, count=4)
        await watcher.wait_for(lambda session: session.reason == "service_unavailable")
        assert driver.session.phase is Phase.RECONNECTING
        await watcher.wait_for(lambda session: session.phase is Phase.READY)
        assert not watcher.reasons & PAGE_REASONS
        phases = [session.phase for session in watcher.sessions]
    assert Phase.READY not in phases[1:-1]


async def test_a_time_lock_and_a_quota_are_shown(
    driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """Both have their end, in different units (sources: the two notification handlers), and stay ready."""
    async with watching(driver) as watcher:
        await control.add_faults({"time_lock": 60})
        session = await watcher.wait_for(lambda session: session.time_lock is not None)
        assert session.phase is Phase.READY
        assert session.time_lock is not None
        assert session.time_lock.until_s == pytest.approx(time.time() + 60.0, abs=5.0)
        assert session.time_lock.kind == "DEFAULT"
        await control.add_faults({"time_lock": 0})
        await watcher.wait_for(lambda session: session.time_lock is None)
        await control.add_faults({"new_chat_cap": 7})
        session = await watcher.wait_for(lambda session: session.new_chat_quota is not None)
        quota = session.new_chat_quota
        assert quota is not None
        assert (session.phase, quota.total, quota.used) == (Phase.READY, 7, 0)
        assert quota.resets_at_s is not None
        assert quota.resets_at_s > time.time()


async def test_a_forced_update_is_a_reload(driver: WhatsAppWeb, control: SandboxControl) -> None:
    """After 405 and 409 the page loads its next version by itself (sources: WAWebUpdater)."""
    async with watching(driver) as watcher:
        await control.add_faults({"stream_error": 405})
        await watcher.wait_for(lambda session: session.phase is Phase.RECONNECTING)
        await watcher.wait_for(lambda session: session.phase is Phase.READY)
        assert watcher.reasons & {"update_required", "page_navigated"}
        assert "replaced" not in watcher.reasons


async def test_a_replaced_page_does_not_fight_back(
    driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """The page closes its connection for good, and only a person can end that (WAWebHandleStreamError)."""
    async with watching(driver) as watcher:
        await control.add_faults({"replaced": True})
        await watcher.wait_for(lambda session: session.phase is not Phase.READY, timeout_s=3.0)
        session = await watcher.wait_for(lambda session: session.phase is Phase.RESTRICTED)
        assert session.reason == "replaced"
        with pytest.raises(TimeoutError):
            await watcher.wait_for(
                lambda session: session.reason != "replaced", STUCK_TIMEOUT_S + 0.5
            )
        assert not watcher.reasons & PAGE_REASONS
    await driver.stop()
    await driver.start()
    await wait_for_phase(driver, Phase.READY)


@pytest.mark.parametrize("fault", ["socket_down_s", "network_down_s"])
async def test_a_start_without_a_server_waits(
    driver: WhatsAppWeb, control: SandboxControl, fault: str
) -> None:
    """The page loads and its socket never opens: it is not reloaded, and not given up."""
    await driver.stop()
    await control.add_faults({fault: OUTAGE_S})
    await driver.start()
    async with watching(driver) as watcher:
        await watcher.wait_for(lambda session: session.reason == "disconnected")
        assert driver.session.phase is Phase.RECONNECTING
        await watcher.wait_past_the_stuck_timeout()
        await control.clear_faults()
        await watcher.wait_for(lambda session: session.phase is Phase.READY)
        assert not watcher.reasons & PAGE_REASONS
    assert isinstance(await driver.submit(make_text(f"3EB0C5{fault[0]}")), ServerAccepted)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"stream_error": 401}, "login_rejected"),
        ({"stream_error": 403}, "account_locked"),
        ({"logout": "critical_sync_timeout"}, "critical_sync_timeout"),
        ({"logout": True}, "device_removed"),
        ({"storage_failure": True}, "storage_failed"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
async def test_a_logout_says_why(
    driver: WhatsAppWeb, control: SandboxControl, fault: dict[str, bool | int | str], reason: str
) -> None:
    """The reason stays with the code until the account is linked again; a broken storage keeps the link."""
    link_before = driver.session.link
    async with watching(driver) as watcher:
        await control.add_faults(fault)
        if "storage_failure" in fault:
            await driver.stop()
            await driver.start()
        shown = await wait_for_phase(driver, Phase.LINKING)
        assert shown.reason == reason
        assert (
            any(session.phase is Phase.LOGGED_OUT for session in watcher.sessions)
            or "storage_failure" in fault
        )
    assert (shown.link == link_before) == (reason == "storage_failed")
    await control.clear_faults()
    if reason == "storage_failed":
        await driver.stop()
        await driver.start()
    ready = await link(driver, control)
    assert ready.reason is None
    assert ready.link != link_before
