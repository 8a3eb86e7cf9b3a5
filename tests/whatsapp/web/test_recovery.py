"""What a driver survives, and what it leaves behind: real processes are killed and frozen."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

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
    SandboxControl,
    link,
    make_browser_config,
    make_text,
    read_pid,
    wait_for_phase,
)
from tests.support.sandbox import run_sandbox

pytestmark = pytest.mark.browser


def renderer_of(profile: Path) -> int:
    """The pid of the page's process."""
    children = psutil.Process(read_pid(profile, "browser")).children(recursive=True)
    return next(child.pid for child in children if "--type=renderer" in child.cmdline())


async def is_back(driver: WhatsAppWeb, after_kill: asyncio.Task[None]) -> None:
    """RECONNECTING was said, then READY under the same link."""
    link_before = driver.session.link
    await asyncio.wait_for(after_kill, 20)
    ready = await wait_for_phase(driver, Phase.READY)
    assert ready.link == link_before


def watch_for_reconnecting(driver: WhatsAppWeb) -> asyncio.Task[None]:
    """Must be made before the harm is done."""

    async def watch() -> None:
        await wait_for_phase(driver, Phase.RECONNECTING)

    return asyncio.create_task(watch())


async def wait_for_arrival(control: SandboxControl, whatsapp_id: str) -> None:
    """Wait until the sandbox has the message."""
    async with asyncio.timeout(10):
        while whatsapp_id not in await control.fetch_new_ids():  # noqa: ASYNC110 - HTTP gives no event
            await asyncio.sleep(0.01)


async def test_a_page_that_holds_too_much_is_loaded_anew(
    make_driver: MakeDriver, control: SandboxControl, profile: Path
) -> None:
    """In the same browser, under the same link; nothing is taken for ready meanwhile, or forgotten."""
    driver = make_driver(page_heap_mb=1)
    await driver.start()
    link_before = (await link(driver, control)).link
    assert isinstance(await driver.submit(make_text("3EB0BC01")), ServerAccepted)
    browser_before = read_pid(profile, "browser")
    assert not await driver.collect_garbage()  # so large it was from the beginning
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


async def test_who_asks_for_a_new_page_is_not_kept_by_one_that_fails(
    make_driver: MakeDriver, control: SandboxControl, profile: Path
) -> None:
    """The renderer is killed while it is asked for: a new page comes anyway."""
    driver = make_driver()
    await driver.start()
    await link(driver, control)
    assert driver._supervisor is not None
    os.kill(renderer_of(profile), signal.SIGKILL)
    await asyncio.wait_for(driver._supervisor.reload(), 20)
    await wait_for_phase(driver, Phase.READY)
    assert isinstance(await driver.submit(make_text("3EB0BC03")), ServerAccepted)


@pytest.mark.parametrize(
    ("victim", "harm"),
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
    harm: signal.Signals,
) -> None:
    """Killed or frozen, each process: reconnecting, ready, the old message found, a new one sent."""
    assert isinstance(await linked_driver.submit(make_text("3EB0BB01")), ServerAccepted)
    pid = renderer_of(profile) if victim == "renderer" else read_pid(profile, victim)
    watching = watch_for_reconnecting(linked_driver)
    await asyncio.sleep(0)
    os.kill(pid, harm)
    await is_back(linked_driver, watching)
    found = await linked_driver.find_message("3EB0BB01", PEER_CHAT)
    assert isinstance(found, MessageFound)
    assert found.ack >= 1
    acks = await linked_driver.read_acks([("3EB0BB01", PEER_CHAT), ("3EB0NONE", PEER_CHAT)])
    assert list(acks) == ["3EB0BB01"]
    assert isinstance(await linked_driver.submit(make_text("3EB0BB02")), ServerAccepted)
    assert await control.fetch_new_ids() == ["3EB0BB01", "3EB0BB02"]
    assert len(list(find_browsers(profile))) == 1


async def test_a_browser_killed_under_a_submit_is_uncertain(
    linked_driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """The stanza is at the server and its ack never came: uncertain, and settled by looking."""
    await control.add_faults({"ack_delay_ms": 2000}, count=1)
    watching = watch_for_reconnecting(linked_driver)
    submitting = asyncio.create_task(linked_driver.submit(make_text("3EB0BB03")))
    # The page sends a message when it is on disk; in memory it is a moment earlier.
    await wait_for_arrival(control, "3EB0BB03")
    os.kill(read_pid(profile, "browser"), signal.SIGKILL)
    assert isinstance(await submitting, InDoubt)
    await is_back(linked_driver, watching)
    assert isinstance(await linked_driver.find_message("3EB0BB03", PEER_CHAT), MessageFound)


async def test_while_reconnecting_nothing_is_submitted(
    linked_driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """Surely nothing left: there is no page."""
    watching = watch_for_reconnecting(linked_driver)
    await asyncio.sleep(0)
    os.kill(read_pid(profile, "browser"), signal.SIGKILL)
    await asyncio.wait_for(watching, 20)
    result = await linked_driver.submit(make_text("3EB0BB04"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "disconnected"
    await wait_for_phase(linked_driver, Phase.READY)
    assert await control.fetch_new_ids() == []


async def test_a_dropped_connection_comes_back_in_the_same_page(
    linked_driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """WhatsApp Web reconnects by itself; no browser is thrown away for it."""
    browser = read_pid(profile, "browser")
    watching = watch_for_reconnecting(linked_driver)
    await asyncio.sleep(0)
    await control.add_faults({"drop_socket": True}, count=1)
    await is_back(linked_driver, watching)
    assert read_pid(profile, "browser") == browser
    assert isinstance(await linked_driver.submit(make_text("3EB0BB05")), ServerAccepted)


async def test_the_gate_is_shut_while_the_page_is_offline(
    linked_driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """The page refuses by itself: in WhatsApp's outbox the message would wait beyond its deadline."""
    assert isinstance(await linked_driver.submit(make_text("3EB0BB08")), ServerAccepted)
    argument = answers.encode_submission(make_text("3EB0BB06", deadline_in_s=30.0))
    watching = watch_for_reconnecting(linked_driver)
    await asyncio.sleep(0)
    await control.add_faults({"drop_socket": True}, is_lasting=True)
    await asyncio.wait_for(watching, 20)
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
    """It answers and stays disconnected: that is a failure too, and it comes back when it can."""
    driver = make_driver(
        recovery=RecoverySettings(
            max_failures=100, backoff_base_s=0.01, backoff_max_s=0.1, stuck_timeout_s=1.0
        )
    )
    await driver.start()
    await link(driver, control)
    await control.add_faults({"drop_socket": True}, is_lasting=True)
    async with asyncio.timeout(30):
        async for session in driver.watch_session():
            if session.reason == "page_hung":
                break
    await control.clear_faults()
    await wait_for_phase(driver, Phase.READY)
    assert isinstance(await driver.submit(make_text("3EB0BB09")), ServerAccepted)


async def test_a_login_made_before_we_looked_is_kept_too(tmp_path: Path, profile: Path) -> None:
    """A phone scanned before wa-js was in the page: nobody is told ready earlier for that."""
    with run_sandbox(tmp_path, "--auto-scan") as (own, _):
        driver = WhatsAppWeb(make_browser_config(own.browser_args, profile))
        await driver.start()
        try:
            ready = await wait_for_phase(driver, Phase.READY)
            watching = watch_for_reconnecting(driver)
            await asyncio.sleep(0)
            os.kill(read_pid(profile, "browser"), signal.SIGKILL)
            await asyncio.wait_for(watching, 20)
            back = await wait_for_phase(driver, Phase.READY, Phase.LINKING)
        finally:
            await driver.stop()
    assert (back.phase, back.link) == (Phase.READY, ready.link)


async def test_a_login_is_kept_by_a_browser_killed_when_it_is_ready(
    driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """Nobody is told ready before the login is on the disk."""
    ready = await link(driver, control)
    watching = watch_for_reconnecting(driver)
    await asyncio.sleep(0)
    os.kill(read_pid(profile, "browser"), signal.SIGKILL)
    await asyncio.wait_for(watching, 20)
    back = await wait_for_phase(driver, Phase.READY, Phase.LINKING)
    assert (back.phase, back.link) == (Phase.READY, ready.link)


async def test_stop_leaves_nothing(
    driver: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """No process, no lock, and the login is there for the next start."""
    ready = await link(driver, control)
    pids = [read_pid(profile, "browser"), read_pid(profile, "driver")]
    await driver.stop()
    await driver.stop()
    assert driver.session.phase is Phase.STOPPED
    assert [pid for pid in pids if is_running(pid)] == []
    await driver.start()
    assert (await wait_for_phase(driver, Phase.READY, Phase.LINKING)).link == ready.link


async def test_stop_also_ends_what_is_frozen(linked_driver: WhatsAppWeb, profile: Path) -> None:
    """A driver that answers nothing cannot keep us, nor outlive us."""
    pids = [read_pid(profile, "browser"), read_pid(profile, "driver")]
    os.kill(pids[1], signal.SIGSTOP)
    await asyncio.wait_for(linked_driver.stop(), 20)
    assert [pid for pid in pids if is_running(pid)] == []


async def test_it_gives_up_and_says_so(make_driver: MakeDriver) -> None:
    """A page that never comes: after the limit the session is stopped, with the reason."""
    driver = make_driver(
        whatsapp_url="data:text/html,nothing",
        recovery=RecoverySettings(max_failures=3, backoff_base_s=0.01),
        timeouts=_impatient(),
    )
    await driver.start()
    session = await wait_for_phase(driver, Phase.STOPPED)
    assert session.reason is not None
    assert "never had its modules: WAWebUserPrefsMeUser" in session.reason


async def test_an_unreachable_whatsapp_is_waited_for(make_driver: MakeDriver) -> None:
    """A network that is down is a reason, not an end."""
    driver = make_driver(
        whatsapp_url="https://nowhere.invalid/",
        recovery=RecoverySettings(max_failures=2, backoff_base_s=0.01, backoff_max_s=0.05),
    )
    await driver.start()
    async with asyncio.timeout(20):
        async for session in driver.watch_session():
            if session.reason:
                break
    assert (driver.session.phase, driver.session.reason) == (
        Phase.STARTING,
        "whatsapp_unreachable",
    )


def _impatient() -> Any:
    from streams.whatsapp.web.launch import Timeouts

    return Timeouts(load_s=0.3, answer_s=2.0, close_s=1.0)
