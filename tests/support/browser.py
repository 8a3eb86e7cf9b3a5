"""Drivers in a real Chromium against the sandbox: fixtures, and helpers that wait and build messages."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from streams.sandbox.client import SandboxError
from streams.whatsapp.driver import Phase, SessionState, Submission
from streams.whatsapp.web.browser.launch import BrowserConfig, Timeouts
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.sandbox import Sandbox, SandboxControl

PEER = "+905551112233"
PEER_CHAT = "905551112233@c.us"
# A test must notice a hung page quickly.
QUICK_TIMEOUTS = Timeouts(heartbeat_s=0.5, answer_s=3.0, look_up_s=8.0, close_s=1.0)

MakeDriver = Callable[..., WhatsAppWeb]


async def wait_for_phase(
    driver: WhatsAppWeb, *phases: Phase, excluded: Collection[Phase] = (), timeout_s: float = 40.0
) -> SessionState:
    """Wait for one of these phases. LINKING counts once a QR code is shown."""
    async with asyncio.timeout(timeout_s):
        async for session in driver.watch_session():
            is_complete = session.phase is not Phase.LINKING or session.qr
            if session.phase in phases and session.phase not in excluded and is_complete:
                return session
    raise AssertionError(f"stopped ({driver.session.reason}) before {phases}")


async def link(driver: WhatsAppWeb, control: SandboxControl) -> SessionState:
    """A phone scans the code that the driver shows."""
    session = await wait_for_phase(driver, Phase.LINKING)
    assert session.qr is not None
    await control.scan(session.qr)
    return await wait_for_phase(driver, Phase.READY)


async def scan_until_ready(driver: WhatsAppWeb, control: SandboxControl) -> None:
    """Scan codes until one of them was not too old. The caller bounds the time."""
    async for session in driver.watch_session():
        if session.phase is Phase.READY:
            return
        if session.qr:
            with contextlib.suppress(SandboxError):
                await control.scan(session.qr)


def make_text(
    whatsapp_id: str,
    body: str = "hello",
    *,
    chat_id: str = PEER_CHAT,
    deadline_in_s: float = 10.0,
    ack_timeout_s: float = 5.0,
    reply_to: str | None = None,
) -> Submission:
    """A text message, to be submitted within `deadline_in_s`."""
    return make_message(
        whatsapp_id,
        {"type": "text", "body": body},
        chat_id=chat_id,
        deadline_in_s=deadline_in_s,
        ack_timeout_s=ack_timeout_s,
        reply_to=reply_to,
    )


def make_message(
    whatsapp_id: str,
    content: dict[str, object],
    *,
    chat_id: str = PEER_CHAT,
    deadline_in_s: float = 10.0,
    ack_timeout_s: float = 5.0,
    reply_to: str | None = None,
) -> Submission:
    """A message with any content, to be submitted within `deadline_in_s`."""
    deadline_mono_s = time.monotonic() + deadline_in_s
    return Submission(whatsapp_id, chat_id, content, deadline_mono_s, reply_to, ack_timeout_s)


def make_browser_config(
    browser_args: Collection[str], profile: Path, **overrides: Any
) -> BrowserConfig:
    """A configuration with which a driver reaches the sandbox."""
    settings: dict[str, Any] = {
        "executable": os.environ.get("WA_BROWSER_EXECUTABLE"),
        "bundle": os.environ.get("WA_WHATSAPP_BUNDLE"),
        "timeouts": QUICK_TIMEOUTS,
        **overrides,
    }
    return BrowserConfig(profile_dir=profile, extra_args=tuple(browser_args), **settings)


def read_pid(profile: Path, name: str) -> int:
    """The pid of `browser` or `driver`, from its pid file."""
    return int((profile / ".wa-streams" / f"{name}.pid").read_text())


@contextlib.asynccontextmanager
async def expect_reconnecting(driver: WhatsAppWeb) -> AsyncIterator[None]:
    """The fault that the block causes must lead to RECONNECTING."""
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(wait_for_phase(driver, Phase.RECONNECTING))
        await asyncio.sleep(0)  # the task begins to watch before the fault
        yield


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The profile that `make_driver` uses, and the program in test_successor.py too."""
    return tmp_path / "main"


@pytest.fixture
def control(sandbox: Sandbox) -> SandboxControl:
    """A client of the sandbox."""
    return SandboxControl(sandbox.control_url)


@pytest.fixture
async def make_driver(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[MakeDriver]:
    """Makes drivers that are not started, on the profile of this name. All stop with the test."""
    drivers: list[WhatsAppWeb] = []

    def make(profile: str = "main", **more: Any) -> WhatsAppWeb:
        driver = WhatsAppWeb(make_browser_config(sandbox.browser_args, tmp_path / profile, **more))
        drivers.append(driver)
        return driver

    yield make
    for driver in drivers:
        await driver.stop()


@pytest.fixture
async def driver(make_driver: MakeDriver) -> WhatsAppWeb:
    """A driver that runs, on a fresh profile."""
    driver = make_driver()
    await driver.start()
    return driver


@pytest.fixture
async def linked_driver(driver: WhatsAppWeb, control: SandboxControl) -> WhatsAppWeb:
    """A driver that is linked and ready."""
    await link(driver, control)
    return driver


@contextlib.asynccontextmanager
async def run_linked_driver(
    sandbox: Sandbox, profile: Path, **overrides: Any
) -> AsyncIterator[WhatsAppWeb]:
    """A linked and ready driver, stopped at the end."""
    driver = WhatsAppWeb(make_browser_config(sandbox.browser_args, profile, **overrides))
    await driver.start()
    await link(driver, SandboxControl(sandbox.control_url))
    yield driver
    await driver.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_driver(
    module_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WhatsAppWeb]:
    """A linked and ready driver for all tests of a module. Their loop scope must be the module."""
    profile = tmp_path_factory.mktemp("profiles") / "main"
    async with run_linked_driver(module_sandbox, profile, timeouts=Timeouts()) as driver:
        yield driver


@pytest_asyncio.fixture(loop_scope="module")
async def shared_control(
    module_sandbox: Sandbox, shared_driver: WhatsAppWeb
) -> AsyncIterator[SandboxControl]:
    """A client of the module's sandbox, marked at the start of the test. Its faults end with the test."""
    await wait_for_phase(shared_driver, Phase.READY)
    control = SandboxControl(module_sandbox.control_url)
    await control.set_mark()
    yield control
    await control.clear_faults()
