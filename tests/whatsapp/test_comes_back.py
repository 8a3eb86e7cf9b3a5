"""A driver comes back after a kill or freeze of any of its processes, and after a lost connection.

All tests share one linked driver, which each of them leaves ready again.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from streams.whatsapp.driver import (
    InDoubt,
    MessageFound,
    NotSubmitted,
    Phase,
    ServerAccepted,
)
from streams.whatsapp.errors import AdapterError
from streams.whatsapp.web import answers
from streams.whatsapp.web.browser.profile import find_browsers
from streams.whatsapp.web.recovery_policy import RecoverySettings
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER_CHAT,
    expect_reconnecting,
    make_text,
    read_pid,
    run_linked_driver,
    wait_for_phase,
)
from tests.support.sandbox import Sandbox, SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile of the driver."""
    return tmp_path_factory.mktemp("profiles") / "main"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def survivor(module_sandbox: Sandbox, profile: Path) -> AsyncIterator[WhatsAppWeb]:
    """The driver, linked once. It is never given up: it dies more often than any real one."""
    recovery = RecoverySettings(max_failures=1000, backoff_base_s=0.01, backoff_max_s=0.1)
    async with run_linked_driver(module_sandbox, profile, recovery=recovery) as driver:
        yield driver


@pytest_asyncio.fixture(loop_scope="module")
async def control(module_sandbox: Sandbox, survivor: WhatsAppWeb) -> AsyncIterator[SandboxControl]:
    """A client of the sandbox, with a driver that is ready."""
    control = SandboxControl(module_sandbox.control_url)
    await wait_for_phase(survivor, Phase.READY)
    await control.set_mark()
    yield control
    await control.clear_faults()
    await wait_for_phase(survivor, Phase.READY)


def renderer_of(profile: Path) -> int:
    """The pid of the page's process."""
    children = psutil.Process(read_pid(profile, "browser")).children(recursive=True)
    return next(child.pid for child in children if "--type=renderer" in child.cmdline())


@contextlib.asynccontextmanager
async def expect_recovery(driver: WhatsAppWeb) -> AsyncIterator[None]:
    """The fault that the block causes must lead to RECONNECTING, then to READY under the same link."""
    link_before = driver.session.link
    async with expect_reconnecting(driver):
        yield
    assert (await wait_for_phase(driver, Phase.READY)).link == link_before


async def wait_for_arrival(control: SandboxControl, whatsapp_id: str) -> None:
    """Wait until the sandbox has the message."""
    async with asyncio.timeout(60):
        while whatsapp_id not in await control.fetch_new_ids():  # noqa: ASYNC110 - HTTP gives no event
            await asyncio.sleep(0.01)


async def test_a_reload_of_a_dead_page_ends(
    survivor: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """The renderer dies before the reload is requested: the call ends, and a new page comes."""
    assert survivor._supervisor is not None
    os.kill(renderer_of(profile), signal.SIGKILL)
    await asyncio.wait_for(survivor._supervisor.reload(), 20)
    await wait_for_phase(survivor, Phase.READY)
    assert isinstance(await survivor.submit(make_text("3EB0BC03")), ServerAccepted)


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
    survivor: WhatsAppWeb,
    control: SandboxControl,
    profile: Path,
    victim: str,
    signal_number: signal.Signals,
) -> None:
    """After a kill or freeze of any process, the old message is found and a new one is sent."""
    old, new = (f"3EB0BB{victim[0]}{signal_number:d}{text}" for text in ("OLD", "NEW"))
    assert isinstance(await survivor.submit(make_text(old)), ServerAccepted)
    pid = renderer_of(profile) if victim == "renderer" else read_pid(profile, victim)
    async with expect_recovery(survivor):
        os.kill(pid, signal_number)
    lookup = await survivor.find_message(old, PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack >= 1
    acks = await survivor.read_acks([(old, PEER_CHAT), ("3EB0NONE", PEER_CHAT)])
    assert list(acks) == [old]
    assert isinstance(await survivor.submit(make_text(new)), ServerAccepted)
    assert await control.fetch_new_ids() == [old, new]
    assert len(list(find_browsers(profile))) == 1


async def test_a_browser_killed_during_a_submit_leaves_it_in_doubt(
    survivor: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """The server has the message and its ack never came: in doubt, and then found in the store."""
    await control.add_faults({"ack_delay_ms": 2000}, count=1)
    async with asyncio.TaskGroup() as group:
        submit = group.create_task(survivor.submit(make_text("3EB0BB03")))
        # The page sends a message when it is on disk; in memory it is a moment earlier.
        await wait_for_arrival(control, "3EB0BB03")
        async with expect_recovery(survivor):
            os.kill(read_pid(profile, "browser"), signal.SIGKILL)
    assert isinstance(submit.result(), InDoubt)
    assert isinstance(await survivor.find_message("3EB0BB03", PEER_CHAT), MessageFound)


async def test_nothing_is_submitted_while_reconnecting(
    survivor: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """Nothing can have left, because there is no page."""
    async with expect_reconnecting(survivor):
        os.kill(read_pid(profile, "browser"), signal.SIGKILL)
    result = await survivor.submit(make_text("3EB0BB04"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "disconnected"
    await wait_for_phase(survivor, Phase.READY)
    assert await control.fetch_new_ids() == []


async def test_a_dropped_connection_comes_back_in_the_same_page(
    survivor: WhatsAppWeb, control: SandboxControl, profile: Path
) -> None:
    """WhatsApp Web reconnects by itself, and the browser is not replaced."""
    browser = read_pid(profile, "browser")
    async with expect_recovery(survivor):
        await control.add_faults({"drop_socket": True}, count=1)
    assert read_pid(profile, "browser") == browser
    assert isinstance(await survivor.submit(make_text("3EB0BB05")), ServerAccepted)


async def test_the_gate_is_closed_while_the_page_is_offline(
    survivor: WhatsAppWeb, control: SandboxControl
) -> None:
    """The page itself refuses: in WhatsApp's outbox the message would wait beyond its deadline."""
    assert isinstance(await survivor.submit(make_text("3EB0BB08")), ServerAccepted)
    submission = make_text("3EB0BB06", deadline_in_s=30.0)
    before_ms = survivor._require_page().to_page_ms(submission.submit_before_mono_s)
    argument = answers.encode_submission(submission, before_ms)
    async with expect_reconnecting(survivor):
        await control.add_faults({"drop_socket": True}, is_lasting=True)
    with pytest.raises(AdapterError, match="disconnected") as refused:
        await survivor._require_page().call("submit", argument, 10.0)
    assert not refused.value.handed_over
    await control.clear_faults()
    await wait_for_phase(survivor, Phase.READY)
    assert isinstance(await survivor.submit(make_text("3EB0BB07")), ServerAccepted)
    assert await control.fetch_new_ids() == ["3EB0BB08", "3EB0BB07"]
