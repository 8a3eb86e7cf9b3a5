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
import psutil
import pytest
import pytest_asyncio

from streams.whatsapp.driver import Phase, SessionState, Submission
from streams.whatsapp.web.launch import BrowserConfig, Timeouts
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.sandbox import Sandbox

PEER = "+905551112233"
PEER_CHAT = "905551112233@c.us"
# A hung page is to be noticed within a test's patience.
QUICK = Timeouts(heartbeat_s=0.5, answer_s=3.0, look_up_s=8.0, close_s=1.0)

MakeDriver = Callable[..., WhatsAppWeb]


class Control:
    """The sandbox's control, over HTTP. `ids` leaves out what was in the log before `mark`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._after = 0

    async def mark(self) -> None:
        """Begin here: a sandbox that tests share is not reset."""
        self._after = max((row["seq"] for row in await self.log()), default=0)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Any of the contract's POST calls."""
        async with aiohttp.request("POST", f"{self._url}{path}", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def clear_faults(self) -> None:
        """From now on all works."""
        async with aiohttp.request("DELETE", f"{self._url}/faults") as response:
            assert response.status == 200, await response.text()

    async def log(self, after: int = 0) -> list[dict[str, Any]]:
        """Every message that arrived."""
        async with aiohttp.request("GET", f"{self._url}/log?after={after}") as response:
            return await response.json()

    async def new(self) -> list[dict[str, Any]]:
        """Every message that arrived since `mark`."""
        return await self.log(self._after)

    async def ids(self) -> list[str]:
        """The ids that arrived since `mark`, repeats included."""
        return [row["whatsapp_id"] for row in await self.new()]


async def phase(
    driver: WhatsAppWeb, *wanted: Phase, after: Collection[Phase] = (), within_s: float = 40.0
) -> SessionState:
    """Await one of these phases; LINKING counts once it shows a QR code."""
    async with asyncio.timeout(within_s):
        async for session in driver.watch_session():
            shown = session.phase is not Phase.LINKING or session.qr
            if session.phase in wanted and session.phase not in after and shown:
                return session
    raise AssertionError(f"stopped ({driver.session.reason}) before {wanted}")


async def link(driver: WhatsAppWeb, control: Control) -> SessionState:
    """A phone scans what the driver shows."""
    shown = await phase(driver, Phase.LINKING)
    await control.post("/scan", {"qr": shown.qr})
    return await phase(driver, Phase.READY)


def text(
    whatsapp_id: str,
    body: str = "hello",
    *,
    chat_id: str = PEER_CHAT,
    before_s: float = 10.0,
    ack_within_s: float = 5.0,
    reply_to: str | None = None,
) -> Submission:
    """A text message to be submitted within `before_s` seconds."""
    return message(
        whatsapp_id,
        {"type": "text", "body": body},
        chat_id=chat_id,
        before_s=before_s,
        ack_within_s=ack_within_s,
        reply_to=reply_to,
    )


def message(
    whatsapp_id: str,
    content: dict[str, object],
    *,
    chat_id: str = PEER_CHAT,
    before_s: float = 10.0,
    ack_within_s: float = 5.0,
    reply_to: str | None = None,
) -> Submission:
    """Any content, to be submitted within `before_s` seconds."""
    deadline_s = time.time() + before_s
    return Submission(whatsapp_id, chat_id, content, deadline_s, reply_to, ack_within_s)


def browser_config(browser_args: Collection[str], profile: Path, **more: Any) -> BrowserConfig:
    """A configuration that meets the sandbox."""
    settings: dict[str, Any] = {
        "executable": os.environ.get("WA_BROWSER_EXECUTABLE"),
        "bundle": os.environ.get("WA_WEB_BUNDLE"),
        "timeouts": QUICK,
        **more,
    }
    return BrowserConfig(profile_dir=profile, extra_args=tuple(browser_args), **settings)


def pid_of(profile: Path, name: str) -> int:
    """The pid of `browser` or `driver`, as the driver noted it."""
    return int((profile / ".wa-streams" / f"{name}.pid").read_text())


def runs(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The profile of `make_driver`'s and of the program's driver alike."""
    return tmp_path / "main"


@pytest.fixture
def control(sandbox: Sandbox) -> Control:
    """The sandbox's control."""
    return Control(sandbox.control_url)


@pytest.fixture
async def make_driver(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[MakeDriver]:
    """Drivers that are not started yet, on the profile of this name; all stop with the test."""
    made: list[WhatsAppWeb] = []

    def make(profile: str = "main", **more: Any) -> WhatsAppWeb:
        driver = WhatsAppWeb(browser_config(sandbox.browser_args, tmp_path / profile, **more))
        made.append(driver)
        return driver

    yield make
    for driver in made:
        await driver.stop()


@pytest.fixture
async def driver(make_driver: MakeDriver) -> WhatsAppWeb:
    """A driver that runs on a fresh profile."""
    driver = make_driver()
    await driver.start()
    return driver


@pytest.fixture
async def linked_driver(driver: WhatsAppWeb, control: Control) -> WhatsAppWeb:
    """A driver that is linked and ready."""
    await link(driver, control)
    return driver


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_driver(
    module_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WhatsAppWeb]:
    """One that is linked and ready, for all tests of a module whose loop scope is the module."""
    profile = tmp_path_factory.mktemp("profiles") / "main"
    config = browser_config(module_sandbox.browser_args, profile, timeouts=Timeouts())
    driver = WhatsAppWeb(config)
    await driver.start()
    await link(driver, Control(module_sandbox.control_url))
    yield driver
    await driver.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def shared_control(
    module_sandbox: Sandbox, shared_driver: WhatsAppWeb
) -> AsyncIterator[Control]:
    """The control of the module's sandbox, from this test on; its faults end with the test."""
    await phase(shared_driver, Phase.READY)
    control = Control(module_sandbox.control_url)
    await control.mark()
    yield control
    await control.clear_faults()
