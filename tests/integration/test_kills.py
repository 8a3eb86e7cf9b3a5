"""Each process is killed while it has messages; by the sandbox's log, none is lost and none is shown twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.system import SystemUnderTest
from tests.support.verdict import check_by_audit, judge, read_number
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.browser]

Service = tuple[SystemUnderTest, SandboxControl]
PHONES, MESSAGES_PER_PHONE = 10, 12


@pytest.fixture
async def caller(service: Service) -> AsyncIterator[Caller]:
    async with Caller(service[0].settings).open() as caller:
        yield caller


def requests() -> list[dict[str, Any]]:
    return [
        {"id": f"{phone}/{n}", "to": f"+90555{3_000_000 + phone}", "text": f"{phone}/{n}"}
        for n in range(MESSAGES_PER_PHONE)
        for phone in range(PHONES)
    ]


async def some_arrived(control: SandboxControl, count: int) -> None:
    async def arrived() -> bool:
        return len(await control.fetch_new_ids()) >= count

    await wait_until(arrived)


async def check(caller: Caller, control: SandboxControl, *, unknown_at_most: int = 0) -> None:
    """Every message is sent, or unknown if the page died under it; only unknown ones may be missing."""
    submitted = requests()
    await caller.wait_for_statuses(
        [request["id"] for request in submitted], {"sent", "unknown"}, timeout_s=90
    )
    verdict = judge(await control.fetch_log())
    unknown = {event["id"] for event in caller.status_events() if event["status"] == "unknown"}
    assert (
        verdict.find_lost(request["text"] for request in submitted if request["id"] not in unknown)
        == []
    )
    assert verdict.duplicates == []
    assert verdict.find_out_of_order(read_number) == []
    assert len(unknown) <= unknown_at_most
    await check_by_audit(caller.settings)


async def test_dispatcher_killed(service: Service, caller: Caller) -> None:
    """It is killed twice, in the middle of its work."""
    system, control = service
    await caller.request(*requests())
    for count in (20, 60):
        await some_arrived(control, count)
        system.workers[0].kill()
        system.workers[0] = system.start_dispatcher()
    await check(caller, control)


async def test_sender_killed(service: Service, caller: Caller) -> None:
    """Its browser dies with it; open claims are reconciled, and no result is guessed."""
    system, control = service
    await control.post("/faults", {"ack_delay_ms": 100})
    await caller.request(*requests())
    for count in (20, 60):
        await some_arrived(control, count)
        system.workers[-1].kill()
        system.start_sender()
    await check(caller, control)


async def test_browser_killed(service: Service, caller: Caller) -> None:
    """The sender goes on, starts another browser, and reconciles the messages that were in the page."""
    system, control = service
    await control.post("/faults", {"ack_delay_ms": 100})
    await caller.request(*requests())
    pid_file = system.settings.data_dir / "profiles" / "main" / ".wa-streams" / "browser.pid"
    killed = 0
    for count in (20, 60):
        await some_arrived(control, count)
        pid = int(await wait_until(lambda: pid_file.exists() and pid_file.read_text().strip()))
        assert pid != killed
        os.kill(pid, signal.SIGKILL)
        killed = pid
    await check(caller, control)
    assert system.workers[-1].is_alive


async def test_sender_terminated(service: Service, caller: Caller) -> None:
    """After SIGTERM it finishes the message in the page, and the rest waits for the next sender."""
    system, control = service
    await caller.request(*requests())
    await some_arrived(control, 20)
    await asyncio.to_thread(system.workers[-1].kill, signal.SIGTERM)
    assert system.workers[-1].process.returncode == 0
    system.start_sender()
    await check(caller, control)


async def test_a_standby_takes_over(service: Service, caller: Caller) -> None:
    """A second sender of the account waits, and opens its browser only after the first has died."""
    system, control = service
    standby = system.start_sender(number=2)
    await wait_until(lambda: standby.read_url() is not None)
    await caller.request(*requests())
    await some_arrived(control, 20)
    system.workers[1].kill()
    await check(caller, control)
    await standby.wait_until_ready()
