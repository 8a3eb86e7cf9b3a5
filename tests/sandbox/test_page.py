"""The page in a real Chromium with the real wa-js: its outbox, and the faults of pages."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from streams.whatsapp.driver import InDoubt, MessageFound, Phase
from streams.whatsapp.web.recovery_policy import RecoverySettings
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER,
    PEER_CHAT,
    QUICK_TIMEOUTS,
    MakeDriver,
    link,
    make_text,
    wait_for_phase,
)
from tests.support.pages.wire import WirePage
from tests.support.sandbox import Sandbox, SandboxControl

pytestmark = pytest.mark.browser


async def test_document_and_scripts(sandbox: Sandbox) -> None:
    """Each load has a policy without eval and with its own nonce, and no other path exists."""
    url = WirePage(sandbox, "x")._url.replace("wss", "https").removesuffix("/ws/chat")
    async with aiohttp.ClientSession() as http:
        policies = []
        for _ in range(2):
            async with http.get(url, ssl=False) as response:
                policies.append(response.headers["Content-Security-Policy"])
        async with http.get(f"{url}/static/modules.js", ssl=False) as response:
            assert '"WAWebSendMsgChatAction"' in await response.text()
        async with http.get(f"{url}/check-update", ssl=False) as response:
            assert response.status == 404
    assert policies[0] != policies[1]
    assert all("unsafe-eval" not in policy and "'nonce-" in policy for policy in policies)


async def test_the_outbox_sends_again_in_the_same_page(
    linked_driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """A message without an ack is sent again at the reconnect, and the recipient sees it once."""
    await control.add_faults({"ack_lost": True}, count=1)
    assert isinstance(await linked_driver.submit(make_text("3EB0CC01", ack_timeout_s=0.3)), InDoubt)
    await control.add_faults({"drop_socket": True}, count=1)
    await wait_for_ack(linked_driver, "3EB0CC01", 1)
    assert [row["shown"] for row in await control.fetch_log()] == [True, False]


async def test_a_killed_browser_keeps_the_message_and_does_not_send_it(
    linked_driver: WhatsAppWeb, control: SandboxControl, tmp_path: Path
) -> None:
    """After the restart, the message is in the store with ack 0, and nothing sends it.

    Source: WAWebGetMsgUpdatesActionsUtils.
    """
    await control.add_faults({"ack_lost": True}, count=1)
    assert isinstance(await linked_driver.submit(make_text("3EB0CC02", ack_timeout_s=0.3)), InDoubt)
    pid = int((tmp_path / "main" / ".wa-streams" / "browser.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    await wait_for_phase(linked_driver, Phase.RECONNECTING)
    await wait_for_phase(linked_driver, Phase.READY)
    answer = await linked_driver.find_message("3EB0CC02", PEER_CHAT)
    assert isinstance(answer, MessageFound)
    assert answer.ack == 0
    assert [row["shown"] for row in await control.fetch_log()] == [True]


async def test_a_page_that_crashes(linked_driver: WhatsAppWeb, control: SandboxControl) -> None:
    """The page's process dies when a message has arrived: in doubt, then found in the store with ack 0."""
    await control.add_faults({"page_crash": True}, number=PEER)
    result = await linked_driver.submit(make_text("3EB0CC03", ack_timeout_s=20))
    assert isinstance(result, InDoubt)
    await wait_for_phase(linked_driver, Phase.READY)
    answer = await linked_driver.find_message("3EB0CC03", PEER_CHAT)
    assert isinstance(answer, MessageFound)
    assert answer.ack == 0
    assert [row["whatsapp_id"] for row in await control.fetch_log()] == ["3EB0CC03"]


async def test_modules_that_come_late(make_driver: MakeDriver, control: SandboxControl) -> None:
    """wa-js is injected once the modules are there, so the page becomes ready all the same."""
    await control.add_faults({"slow_page_ms": 1500})
    driver = make_driver()
    await driver.start()
    assert (await link(driver, control)).degraded == ()


async def test_a_page_that_is_never_ready(make_driver: MakeDriver, control: SandboxControl) -> None:
    """The supervisor reloads the page, and the second load works."""
    await control.add_faults({"never_ready": True}, count=1)
    quick = RecoverySettings(backoff_base_s=0.01)
    timeouts = type(QUICK_TIMEOUTS)(load_s=3.0, heartbeat_s=0.5, answer_s=2.0, close_s=1.0)
    driver = make_driver(recovery=quick, timeouts=timeouts)
    await driver.start()
    await link(driver, control)


async def wait_for_ack(driver: WhatsAppWeb, whatsapp_id: str, ack: int) -> None:
    """Wait until the page's store has the message with at least this ack."""
    async with asyncio.timeout(60):
        while True:
            answer = await driver.find_message(whatsapp_id, PEER_CHAT)
            if isinstance(answer, MessageFound) and answer.ack >= ack:
                return
            await asyncio.sleep(0.05)
