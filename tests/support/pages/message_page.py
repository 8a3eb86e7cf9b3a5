"""The simulated page in a real Chromium with wa-js, driven by the test itself and not by our adapter.

So a test of the simulation stands whatever the product does with the page. One browser for each module.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any, Self

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Playwright, async_playwright

from streams.whatsapp.install.bundle import find_bundle
from streams.whatsapp.install.executable import find_chromium
from tests.support.sandbox import Sandbox, SandboxControl

_URL = "https://web.whatsapp.com/"
_TIMEOUT_S = 20.0
_READY_JS = """() => Boolean(
  window.require && require("__debug").modulesMap.WAWebBuildConstants && window.Debug
)"""
# Available in each expression of a test: a module, the collections, and a message in memory by its id.
_HELPERS_JS = """
  const { MsgCollection } = require("WAWebMsgCollection");
  const { ChatCollection } = require("WAWebChatCollection");
  const { createWid } = require("WAWebWidFactory");
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const findModel = (id) => MsgCollection.getModelsArray().find((model) => model.id.id === id);
  const until = async (predicate) => {
    for (let n = 0; n < 2000; n++) {
      if (await predicate()) return true;
      await sleep(5);
    }
    throw new Error("waited in vain for " + predicate);
  };
  const openChat = async (phone) => {
    const { wid } = await require("WAWebQueryExistsJob").queryWidExists(createWid(phone + "@c.us"));
    return (await require("WAWebFindChatAction").findOrCreateLatestChat(wid, "test")).chat;
  };
  const buildText = (chat, id, body) => {
    const MsgKey = require("WAWebMsgKey");
    const me = require("WAWebUserPrefsMeUser").getMeUserMatchingAddressingModeOrThrow(chat.id);
    return {
      id: new MsgKey({ from: me, to: chat.id, id, selfDir: "out" }), from: me, to: chat.id, type: "chat",
      body: body || "hello", t: Math.floor(Date.now() / 1000), self: "out", ack: 0, local: true,
    };
  };
  const send = (chat, id, body) =>
    require("WAWebSendMsgChatAction").addAndSendMsgToChat(chat, buildText(chat, id, body));
  const describe = (model) => model && {
    id: model.id.id, key: String(model.id), ack: model.ack, failed: Boolean(model.isSendFailure),
  };
"""


class MessagePage:
    """One browser with one tab, on a profile of its own."""

    def __init__(self, context: BrowserContext, tab: Page, playwright: Playwright) -> None:
        self._context = context
        self._playwright = playwright
        self.tab = tab

    @classmethod
    async def open(cls, browser_args: Collection[str], profile: Path) -> Self:
        """Start the browser and load the page, with wa-js in it."""
        playwright = await async_playwright().start()
        program = find_chromium(os.environ.get("WA_BROWSER_EXECUTABLE"))
        context = await playwright.chromium.launch_persistent_context(
            str(profile), executable_path=str(program.path), args=["--no-sandbox", *browser_args]
        )
        page = cls(context, context.pages[0], playwright)
        await page.load()
        return page

    async def load(self) -> None:
        """Load the document anew: a new life of the page."""
        await self.tab.goto(_URL)
        await self.tab.wait_for_function(_READY_JS)
        await self.tab.evaluate(find_bundle(os.environ.get("WA_WHATSAPP_BUNDLE")).read_text())
        await self.tab.wait_for_function("() => WPP.isFullReady")

    async def link(self, control: SandboxControl, phone: str) -> None:
        """A phone scans the code that the page shows."""
        overview = await control.fetch_overview()
        while not overview.qr:
            await asyncio.sleep(0.02)
            overview = await control.fetch_overview()
        await control.scan(overview.qr[0], phone)
        await self.wait_until_connected()

    async def wait_until_connected(self) -> None:
        """Wait until the page is linked and its connection works."""
        await self.tab.wait_for_function(
            """() => {
              const { Socket } = require("WAWebSocketModel");
              return require("WAWebStreamModel").Stream.mode === "MAIN"
                && Socket.state === "CONNECTED" && Socket.stream === "CONNECTED";
            }"""
        )

    async def run(self, body: str, argument: Any = None) -> Any:
        """The value that this body of an async function returns. `argument` is its parameter."""
        async with asyncio.timeout(_TIMEOUT_S):
            return await self.tab.evaluate(
                f"async (argument) => {{ {_HELPERS_JS}\n{body} }}", argument
            )

    async def close(self) -> None:
        """End the browser."""
        await self._context.close()
        await self._playwright.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def message_page(
    module_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MessagePage]:
    """A linked page for all tests of a module. Their loop scope must be the module."""
    page = await MessagePage.open(
        module_sandbox.browser_args, tmp_path_factory.mktemp("raw") / "profile"
    )
    await page.link(SandboxControl(module_sandbox.control_url), "+905550000001")
    yield page
    await page.close()


@pytest_asyncio.fixture(loop_scope="module")
async def message_control(
    module_sandbox: Sandbox, message_page: MessagePage
) -> AsyncIterator[SandboxControl]:
    """A client of the module's sandbox, marked at the start of the test. Its faults end with the test."""
    await message_page.wait_until_connected()
    control = SandboxControl(module_sandbox.control_url)
    await control.set_mark()
    yield control
    await control.clear_faults()
