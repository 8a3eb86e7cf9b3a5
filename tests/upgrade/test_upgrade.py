"""An upgrade with messages that wait: today's code goes on with the tables, topics and profile of the previous release.

The judge is the log of the simulated WhatsApp: each message is shown once.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streams.kafka import admin
from tests.support.broker import make_settings
from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.sandbox import run_sandbox
from tests.support.system import SystemUnderTest
from tests.support.verdict import check_by_audit, judge
from tests.support.waiting import wait_until
from tests.support.whatsapp import link_account
from tests.upgrade.previous_release import PreviousRelease, extract

pytestmark = [pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(900)]

QUICK: dict[str, Any] = {"account_rate_per_minute": 0, "send_interval_ms": 0, "ack_timeout_s": 3}
DOUBTFUL_PHONE = "+905553200099"
TIMEOUT_S = 180


def requests(name: str, count: int = 5) -> list[dict[str, Any]]:
    """Requests to as many phones."""
    return [
        {"id": f"{name}-{n}", "to": f"+9055532000{n:02}", "text": f"{name}-{n}"}
        for n in range(count)
    ]


def ids(name: str) -> list[str]:
    """The ids of these requests."""
    return [request["id"] for request in requests(name)]


@pytest.fixture
async def service(
    broker: Any, tmp_path: Path
) -> AsyncIterator[tuple[SystemUnderTest, SandboxControl]]:
    """Topics, a data folder and a sandbox, without workers."""
    with run_sandbox(tmp_path / "sandbox") as (sandbox, _):
        settings = make_settings(
            broker, tmp_path / "data", whatsapp_browser_args=sandbox.browser_args, **QUICK
        )
        system = SystemUnderTest(settings)
        await admin.create_topics(settings)
        try:
            yield system, SandboxControl(sandbox.control_url)
        finally:
            await asyncio.to_thread(system.stop)


async def test_what_waits_is_sent_once_after_an_upgrade(
    service: tuple[SystemUnderTest, SandboxControl], tmp_path: Path
) -> None:
    """What was sent is not sent again, and the account stays linked.

    The previous release has noted no device number: nothing tells whether the profile was linked again, so what is in
    doubt is not submitted again either.
    """
    system, control = service
    previous = PreviousRelease(system, extract(tmp_path / "previous"))
    async with Caller(system.settings).open() as caller:
        dispatcher, sender = previous.start_dispatcher(), previous.start_sender()
        await dispatcher.wait_until_ready(TIMEOUT_S)
        await link_account(caller, control)
        await sender.wait_until_ready(TIMEOUT_S)
        await caller.request(*requests("before"))
        await caller.wait_for_statuses(ids("before"), {"sent"}, TIMEOUT_S)
        await leave_one_in_doubt(caller, control)
        sender.kill()  # with a claim that is open
        await caller.request(*requests("waiting"))
        await caller.wait_for_statuses(ids("waiting"), {"accepted"}, TIMEOUT_S)
        await asyncio.to_thread(system.stop)

        await admin.create_topics(system.settings)  # as `wa-streams topics create`
        dispatcher, sender = system.start_dispatcher(), system.start_sender()
        await dispatcher.wait_until_ready(TIMEOUT_S)
        await sender.wait_until_ready(TIMEOUT_S)  # without a new link
        await caller.request(*requests("before"), *requests("after"))
        await caller.wait_for_statuses([*ids("waiting"), *ids("after")], {"sent"}, TIMEOUT_S)
        await caller.wait_for_statuses(["doubtful"], {"unknown"}, TIMEOUT_S)

        verdict = judge(await control.fetch_log())
        texts = [*ids("before"), *ids("waiting"), *ids("after"), "doubtful"]
        assert verdict.find_lost(texts) == []
        assert verdict.duplicates == []
        sent = {event["event_id"] for event in caller.status_events() if event["status"] == "sent"}
        assert len(sent) == len(texts) - 1
        await check_by_audit(system.settings)


async def leave_one_in_doubt(caller: Caller, control: SandboxControl) -> None:
    """A message that has arrived, and whose ack was lost."""
    await control.post("/faults", {"ack_lost": True, "number": DOUBTFUL_PHONE, "count": 1})
    await caller.request({"id": "doubtful", "to": DOUBTFUL_PHONE, "text": "doubtful"})

    async def has_arrived() -> bool:
        return any(row["body"] == "doubtful" for row in await control.fetch_log())

    await wait_until(has_arrived, timeout_s=TIMEOUT_S)
    assert "sent" not in caller.statuses("doubtful")
