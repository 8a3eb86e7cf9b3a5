"""What a driver survives and what it leaves behind, each time with a browser of its own.

tests/whatsapp/test_comes_back.py kills and freezes the processes of a driver that its tests share.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from streams.system.processes import is_running
from streams.whatsapp.driver import (
    MessageFound,
    Phase,
    ServerAccepted,
)
from streams.whatsapp.web.recovery_policy import RecoverySettings
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER_CHAT,
    MakeDriver,
    expect_reconnecting,
    link,
    make_browser_config,
    make_text,
    read_pid,
    wait_for_phase,
)
from tests.support.sandbox import SandboxControl, run_sandbox

pytestmark = pytest.mark.browser


async def test_a_page_that_is_too_large_is_reloaded(
    make_driver: MakeDriver, control: SandboxControl, profile: Path
) -> None:
    """It stays in the same browser under the same link, is not ready meanwhile, and forgets nothing."""
    driver = make_driver(page_heap_mb=1)
    await driver.start()
    link_before = (await link(driver, control)).link
    assert isinstance(await driver.submit(make_text("3EB0BC01")), ServerAccepted)
    browser_before = read_pid(profile, "browser")
    assert not await driver.collect_garbage()  # it was that large from the beginning
    assert driver._supervisor is not None
    assert driver._supervisor.page is not None
    await driver._supervisor.page._tab.evaluate("() => { window.grown = new Array(1e6).fill(0.5) }")
    assert await driver.collect_garbage()
    assert driver.session.phase is not Phase.READY
    assert driver.session.reason == "page_reloaded"
    assert (await wait_for_phase(driver, Phase.READY)).link == link_before
    assert read_pid(profile, "browser") == browser_before
    assert isinstance(await driver.find_message("3EB0BC01", PEER_CHAT), MessageFound)
    assert isinstance(await driver.submit(make_text("3EB0BC02")), ServerAccepted)
    assert await control.fetch_new_ids() == ["3EB0BC01", "3EB0BC02"]


async def test_a_page_that_makes_no_progress_is_replaced(
    make_driver: MakeDriver, control: SandboxControl
) -> None:
    """A connected page whose offline delivery stands still is stuck, and recovers when it can."""
    driver = make_driver(
        recovery=RecoverySettings(
            max_failures=2, backoff_base_s=0.01, backoff_max_s=0.1, stuck_timeout_s=1.0
        )
    )
    await driver.start()
    await link(driver, control)
    await control.add_faults({"offline_delivery_ms": 100_000})
    await control.add_faults({"drop_socket": True})
    stuck = 0
    async with asyncio.timeout(40):
        async for session in driver.watch_session():
            stuck += session.reason == "page_stuck"
            if stuck == 3:  # more often than a dead page is tried
                break
    await control.clear_faults()
    await wait_for_phase(driver, Phase.READY)
    assert isinstance(await driver.submit(make_text("3EB0BC09")), ServerAccepted)


async def test_a_login_before_the_injection_is_kept(tmp_path: Path, profile: Path) -> None:
    """A phone may scan before wa-js is in the page; `ready` still waits for the login on disk."""
    with run_sandbox(tmp_path, "--auto-scan") as (sandbox, _):
        driver = WhatsAppWeb(make_browser_config(sandbox.browser_args, profile))
        await driver.start()
        try:
            ready = await wait_for_phase(driver, Phase.READY)
            async with expect_reconnecting(driver):
                os.kill(read_pid(profile, "browser"), signal.SIGKILL)
            back = await wait_for_phase(driver, Phase.READY, Phase.LINKING)
        finally:
            await driver.stop()
    assert (back.phase, back.link) == (Phase.READY, ready.link)


async def test_a_login_survives_a_kill_right_after_ready(
    driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """`ready` is not reported before the login is on disk."""
    ready = await link(driver, control)
    async with expect_reconnecting(driver):
        os.kill(read_pid(profile, "browser"), signal.SIGKILL)
    back = await wait_for_phase(driver, Phase.READY, Phase.LINKING)
    assert (back.phase, back.link) == (Phase.READY, ready.link)


async def test_stop_leaves_nothing(
    driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """After a stop there is no process and no lock, and the login is there for the next start."""
    ready = await link(driver, control)
    pids = [read_pid(profile, "browser"), read_pid(profile, "driver")]
    await driver.stop()
    await driver.stop()
    assert driver.session.phase is Phase.STOPPED
    assert [pid for pid in pids if is_running(pid)] == []
    await driver.start()
    assert (await wait_for_phase(driver, Phase.READY, Phase.LINKING)).link == ready.link


async def test_stop_also_ends_a_frozen_process(linked_driver: WhatsAppWeb, profile: Path) -> None:
    """A driver that does not answer can neither delay the stop nor outlive it."""
    pids = [read_pid(profile, "browser"), read_pid(profile, "driver")]
    os.kill(pids[1], signal.SIGSTOP)
    await asyncio.wait_for(linked_driver.stop(), 20)
    assert [pid for pid in pids if is_running(pid)] == []
