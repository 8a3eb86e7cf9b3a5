"""What a driver survives and what it leaves behind: tests that kill and freeze real processes."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from streams.system.processes import is_running
from streams.whatsapp.driver import (
    InDoubt,
    MessageFound,
    NotSubmitted,
    Phase,
    ServerAccepted,
)
from streams.whatsapp.errors import AdapterError
from streams.whatsapp.web import answers
from streams.whatsapp.web.profile import find_browsers
from streams.whatsapp.web.recovery_policy import RecoverySettings
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER_CHAT,
    MakeDriver,
    link,
    make_browser_config,
    make_text,
    read_pid,
    wait_for_phase,
)
from tests.support.sandbox import SandboxControl, run_sandbox

pytestmark = pytest.mark.browser


def renderer_of(profile: Path) -> int:
    """The pid of the page's process."""
    children = psutil.Process(read_pid(profile, "browser")).children(recursive=True)
    return next(child.pid for child in children if "--type=renderer" in child.cmdline())


@contextlib.asynccontextmanager
async def expect_reconnecting(driver: WhatsAppWeb) -> AsyncIterator[None]:
    """The fault that the block causes must lead to RECONNECTING."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(wait_for_phase(driver, Phase.RECONNECTING))
        await asyncio.sleep(0)  # the task begins to watch before the fault
        yield


@contextlib.asynccontextmanager
async def expect_recovery(driver: WhatsAppWeb) -> AsyncIterator[None]:
    """The fault that the block causes must lead to RECONNECTING, then to READY under the same link."""
    link_before = driver.session.link
    async with expect_reconnecting(driver):
        yield
    assert (await wait_for_phase(driver, Phase.READY)).link == link_before


async def wait_for_arrival(control: SandboxControl, whatsapp_id: str) -> None:
    """Wait until the sandbox has the message."""
    async with asyncio.timeout(10):
        while whatsapp_id not in await control.fetch_new_ids():  # noqa: ASYNC110 - HTTP gives no event
            await asyncio.sleep(0.01)


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


async def test_a_reload_of_a_dead_page_ends(
    make_driver: MakeDriver, control: SandboxControl, profile: Path
) -> None:
    """The renderer dies before the reload is requested: the call ends, and a new page comes."""
    driver = make_driver()
    await driver.start()
    await link(driver, control)
    assert driver._supervisor is not None
    os.kill(renderer_of(profile), signal.SIGKILL)
    await asyncio.wait_for(driver._supervisor.reload(), 20)
    await wait_for_phase(driver, Phase.READY)
    assert isinstance(await driver.submit(make_text("3EB0BC03")), ServerAccepted)


@pytest.mark.parametrize(
    ("victim", "signal_number"),
    [
        ("browser", signal.SIGKILL),
        ("driver", signal.SIGKILL),
        ("renderer", signal.SIGKILL),
        ("renderer", signal.SIGSTOP),
        ("driver", signal.SIGSTOP),
        ("browser", signal.SIGSTOP),
    ],
)
async def test_comes_back(
    linked_driver: WhatsAppWeb,
    control: SandboxControl,
    profile: Path,
    victim: str,
    signal_number: signal.Signals,
) -> None:
    """After a kill or freeze of any process, the old message is found and a new one is sent."""
    assert isinstance(await linked_driver.submit(make_text("3EB0BB01")), ServerAccepted)
    pid = renderer_of(profile) if victim == "renderer" else read_pid(profile, victim)
    async with expect_recovery(linked_driver):
        os.kill(pid, signal_number)
    lookup = await linked_driver.find_message("3EB0BB01", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack >= 1
    acks = await linked_driver.read_acks([("3EB0BB01", PEER_CHAT), ("3EB0NONE", PEER_CHAT)])
    assert list(acks) == ["3EB0BB01"]
    assert isinstance(await linked_driver.submit(make_text("3EB0BB02")), ServerAccepted)
    assert await control.fetch_new_ids() == ["3EB0BB01", "3EB0BB02"]
    assert len(list(find_browsers(profile))) == 1


async def test_a_browser_killed_during_a_submit_leaves_it_in_doubt(
    linked_driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """The server has the message and its ack never came: in doubt, and then found in the store."""
    await control.add_faults({"ack_delay_ms": 2000}, count=1)
    async with asyncio.TaskGroup() as group:
        submit = group.create_task(linked_driver.submit(make_text("3EB0BB03")))
        # The page sends a message when it is on disk; in memory it is a moment earlier.
        await wait_for_arrival(control, "3EB0BB03")
        async with expect_recovery(linked_driver):
            os.kill(read_pid(profile, "browser"), signal.SIGKILL)
    assert isinstance(submit.result(), InDoubt)
    assert isinstance(await linked_driver.find_message("3EB0BB03", PEER_CHAT), MessageFound)


async def test_nothing_is_submitted_while_reconnecting(
    linked_driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """Nothing can have left, because there is no page."""
    async with expect_reconnecting(linked_driver):
        os.kill(read_pid(profile, "browser"), signal.SIGKILL)
    result = await linked_driver.submit(make_text("3EB0BB04"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "disconnected"
    await wait_for_phase(linked_driver, Phase.READY)
    assert await control.fetch_new_ids() == []


async def test_a_dropped_connection_comes_back_in_the_same_page(
    linked_driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """WhatsApp Web reconnects by itself, and the browser is not replaced."""
    browser = read_pid(profile, "browser")
    async with expect_recovery(linked_driver):
        await control.add_faults({"drop_socket": True}, count=1)
    assert read_pid(profile, "browser") == browser
    assert isinstance(await linked_driver.submit(make_text("3EB0BB05")), ServerAccepted)


async def test_the_gate_is_closed_while_the_page_is_offline(
    linked_driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """The page itself refuses: in WhatsApp's outbox the message would wait beyond its deadline."""
    assert isinstance(await linked_driver.submit(make_text("3EB0BB08")), ServerAccepted)
    submission = make_text("3EB0BB06", deadline_in_s=30.0)
    before_ms = linked_driver._require_page().to_page_ms(submission.submit_before_mono_s)
    argument = answers.encode_submission(submission, before_ms)
    async with expect_reconnecting(linked_driver):
        await control.add_faults({"drop_socket": True}, is_lasting=True)
    with pytest.raises(AdapterError, match="disconnected") as refused:
        await linked_driver._require_page().call("submit", argument, 10.0)
    assert not refused.value.handed_over
    await control.clear_faults()
    await wait_for_phase(linked_driver, Phase.READY)
    assert isinstance(await linked_driver.submit(make_text("3EB0BB07")), ServerAccepted)
    assert await control.fetch_new_ids() == ["3EB0BB08", "3EB0BB07"]


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
