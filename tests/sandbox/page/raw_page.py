"""The sandbox's page in a real Chromium, without the driver: for tests of the page itself.

The tests of a module share a browser and a sandbox with short times. Each test gets a page that has just
been loaded, in a clean world.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, async_playwright

from streams.whatsapp.install import executable
from tests.support.sandbox import Sandbox, SandboxControl, run_sandbox

_ADDRESS = "https://web.whatsapp.com/"
_TIMEOUT_MS = 15_000
_SHORT_TIMES = (
    "--set=qr_ttl_s=0.2",
    "--set=main_screen_ms=10",
    "--set=max_reconnect_s=0.1",
    "--set=dead_socket_s=0.3",
    "--set=health_check_s=0.3",
)
_READ_STATE = """() => {
    const { Socket } = require("WAWebSocketModel");
    const { Stream } = require("WAWebStreamModel");
    return {
        state: Socket.state, stream: Socket.stream, mode: Stream.mode, info: Stream.info,
        online: importDefault("WAWebNetworkStatus").online,
        delivered: require("WAWebBackendEventBus").BackendEventBus.isOfflineDeliveryEnd,
    };
}"""
_CONNECTED = {"state": "CONNECTED", "stream": "CONNECTED", "mode": "MAIN", "delivered": True}


class RawPage:
    """One tab with the simulated WhatsApp Web."""

    def __init__(self, tab: Page, control: SandboxControl) -> None:
        self.tab = tab
        self.control = control

    async def load(self) -> None:
        """Load the page, and wait until its modules have started."""
        await self.tab.goto(_ADDRESS)
        await self.wait_for_modules()

    async def wait_for_modules(self) -> None:
        """Wait until the page, which may just be loading, has started its modules."""
        await self.wait("() => Boolean(window.Debug && window.require)")

    async def run(self, script: str, argument: Any = None) -> Any:
        """Evaluate a function in the page."""
        return await self.tab.evaluate(script, argument)

    async def wait(self, predicate: str, argument: Any = None) -> None:
        """Wait until a function of the page returns something true."""
        await self.tab.wait_for_function(predicate, arg=argument, timeout=_TIMEOUT_MS)

    async def read_state(self) -> dict[str, Any]:
        """Socket, stream, network and offline delivery."""
        return cast("dict[str, Any]", await self.run(_READ_STATE))

    async def wait_for_state(self, **expected: Any) -> dict[str, Any]:
        """Wait until the state has all these values. Returns it whole."""
        state: dict[str, Any] = {}
        try:
            async with asyncio.timeout(_TIMEOUT_MS / 1000):
                while not state or any(state[name] != value for name, value in expected.items()):
                    await asyncio.sleep(0.01)
                    state = await self.read_state()
        except TimeoutError:
            raise AssertionError(f"the state is {state}, and not {expected}") from None
        return state

    async def wait_for_code(self) -> str:
        """Wait until the page shows a QR code. Returns its text."""
        await self.wait("() => document.querySelector('[data-ref]') !== null")
        return cast("str", await self.run("() => document.querySelector('[data-ref]').dataset.ref"))

    async def link(self) -> str:
        """A phone scans the page's code. Returns its number."""
        phone = await self.control.scan(await self.wait_for_code())
        await self.wait_for_connection()
        return phone

    async def wait_for_connection(self) -> None:
        """Wait until the page is connected and has received what it missed."""
        await self.wait_for_state(**_CONNECTED)

    async def record_events(self, *names: str) -> None:
        """From now on, `read_events` has the Cmd events with these names."""
        await self.run(
            """(names) => {
                window.recordedEvents = [];
                const record = (name) => (value) => window.recordedEvents.push([name, value || null]);
                for (const name of names) require("WAWebCmd").Cmd.on(name, record(name));
            }""",
            list(names),
        )

    async def wait_for_event(self, name: str) -> Any:
        """Wait for a recorded event. Returns the value of its latest occurrence."""
        find = "(name) => window.recordedEvents.some(([recorded]) => recorded === name)"
        await self.wait(find, name)
        return await self.run(
            "(name) => window.recordedEvents.filter(([recorded]) => recorded === name).at(-1)[1]",
            name,
        )


@pytest.fixture(scope="module")
def quick_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with short times, for one module."""
    with run_sandbox(tmp_path_factory.mktemp("sandbox"), *_SHORT_TIMES) as (sandbox, _):
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def raw_browser(
    quick_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BrowserContext]:
    """A Chromium that reaches the quick sandbox, for one module."""
    profile: Path = tmp_path_factory.mktemp("raw") / "profile"
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile,
            executable_path=executable.find_chromium(None).path,
            args=list(quick_sandbox.browser_args),
        )
        yield context
        await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def raw_page(quick_sandbox: Sandbox, raw_browser: BrowserContext) -> AsyncIterator[RawPage]:
    """A page that has just been loaded and is not linked, in a clean world."""
    quick_sandbox.reset()
    tab = await raw_browser.new_page()
    page = RawPage(tab, SandboxControl(quick_sandbox.control_url))
    await page.load()
    await page.wait_for_code()  # a page that was linked before the reset logs out first
    yield page
    await page.control.clear_faults()
    await tab.close()


@pytest_asyncio.fixture(loop_scope="module")
async def linked_page(raw_page: RawPage) -> RawPage:
    """A page that is linked and connected."""
    await raw_page.link()
    return raw_page
