"""Drivers in a real Chromium against the sandbox, and a few words to speak with both.

Speaks with the sandbox through its HTTP alone, which the contract fixes.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from streams.whatsapp.driver import Phase, SessionState, Submission
from streams.whatsapp.web.launch import BrowserConfig, Timeouts
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.sandbox import Sandbox

PEER = "+905551112233"
PEER_CHAT = "905551112233@c.us"
# A hung page is to be noticed within a test's patience.
QUICK_TIMEOUTS = Timeouts(heartbeat_s=0.5, answer_s=3.0, look_up_s=8.0, close_s=1.0)

MakeDriver = Callable[..., WhatsAppWeb]


class SandboxControl:
    """The sandbox's control, over HTTP. `ids` leaves out what was in the log before `mark`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._after_seq = 0

    async def set_mark(self) -> None:
        """Begin here: a sandbox that tests share is not reset."""
        self._after_seq = max((row["seq"] for row in await self.fetch_log()), default=0)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Any of the contract's POST calls."""
        async with aiohttp.request("POST", f"{self._url}{path}", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def clear_faults(self) -> None:
        """From now on all works."""
        async with aiohttp.request("DELETE", f"{self._url}/faults") as response:
            assert response.status == 200, await response.text()

    async def fetch_log(self, after_seq: int = 0) -> list[dict[str, Any]]:
        """Every message that arrived."""
        async with aiohttp.request("GET", f"{self._url}/log?after={after_seq}") as response:
            return await response.json()

    async def fetch_new_messages(self) -> list[dict[str, Any]]:
        """Every message that arrived since `mark`."""
        return await self.fetch_log(self._after_seq)

    async def fetch_new_ids(self) -> list[str]:
        """The ids that arrived since `mark`, repeats included."""
        return [row["whatsapp_id"] for row in await self.fetch_new_messages()]


async def wait_for_phase(
    driver: WhatsAppWeb, *phases: Phase, excluded: Collection[Phase] = (), timeout_s: float = 40.0
) -> SessionState:
    """Await one of these phases; LINKING counts once it shows a QR code."""
    async with asyncio.timeout(timeout_s):
        async for session in driver.watch_session():
            is_complete = session.phase is not Phase.LINKING or session.qr
            if session.phase in phases and session.phase not in excluded and is_complete:
                return session
    raise AssertionError(f"stopped ({driver.session.reason}) before {phases}")


async def link(driver: WhatsAppWeb, control: SandboxControl) -> SessionState:
    """A phone scans what the driver shows."""
    session = await wait_for_phase(driver, Phase.LINKING)
    await control.post("/scan", {"qr": session.qr})
    return await wait_for_phase(driver, Phase.READY)


def make_text(
    whatsapp_id: str,
    body: str = "hello",
    *,
    chat_id: str = PEER_CHAT,
    deadline_in_s: float = 10.0,
    ack_timeout_s: float = 5.0,
    reply_to: str | None = None,
) -> Submission:
    """A text message to be submitted within `before_s` seconds."""
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
    """Any content, to be submitted within `before_s` seconds."""
    deadline_s = time.time() + deadline_in_s
    return Submission(whatsapp_id, chat_id, content, deadline_s, reply_to, ack_timeout_s)


def make_browser_config(
    browser_args: Collection[str], profile: Path, **overrides: Any
) -> BrowserConfig:
    """A configuration that meets the sandbox."""
    settings: dict[str, Any] = {
        "executable": os.environ.get("WA_BROWSER_EXECUTABLE"),
        "bundle": os.environ.get("WA_WHATSAPP_BUNDLE"),
        "timeouts": QUICK_TIMEOUTS,
        **overrides,
    }
    return BrowserConfig(profile_dir=profile, extra_args=tuple(browser_args), **settings)


def read_pid(profile: Path, name: str) -> int:
    """The pid of `browser` or `driver`, as the driver noted it."""
    return int((profile / ".wa-streams" / f"{name}.pid").read_text())


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The profile of `make_driver`'s and of the program's driver alike."""
    return tmp_path / "main"


@pytest.fixture
def control(sandbox: Sandbox) -> SandboxControl:
    """The sandbox's control."""
    return SandboxControl(sandbox.control_url)


@pytest.fixture
async def make_driver(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[MakeDriver]:
    """Drivers that are not started yet, on the profile of this name; all stop with the test."""
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
    """A driver that runs on a fresh profile."""
    driver = make_driver()
    await driver.start()
    return driver


@pytest.fixture
async def linked_driver(driver: WhatsAppWeb, control: SandboxControl) -> WhatsAppWeb:
    """A driver that is linked and ready."""
    await link(driver, control)
    return driver


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_driver(
    module_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WhatsAppWeb]:
    """One that is linked and ready, for all tests of a module whose loop scope is the module."""
    profile = tmp_path_factory.mktemp("profiles") / "main"
    config = make_browser_config(module_sandbox.browser_args, profile, timeouts=Timeouts())
    driver = WhatsAppWeb(config)
    await driver.start()
    await link(driver, SandboxControl(module_sandbox.control_url))
    yield driver
    await driver.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def shared_control(
    module_sandbox: Sandbox, shared_driver: WhatsAppWeb
) -> AsyncIterator[SandboxControl]:
    """The control of the module's sandbox, from this test on; its faults end with the test."""
    await wait_for_phase(shared_driver, Phase.READY)
    control = SandboxControl(module_sandbox.control_url)
    await control.set_mark()
    yield control
    await control.clear_faults()
