"""Messages to groups through the running service, judged by the sandbox's log and the topics."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from streams.operations.groups import read_groups
from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.system import SystemUnderTest

pytestmark = [pytest.mark.broker, pytest.mark.browser]

ADA = "+905551112233"


@pytest.fixture
async def caller(running: SystemUnderTest) -> AsyncIterator[Caller]:
    """A caller of the running service."""
    async with Caller(running.settings).open() as caller:
        yield caller


@pytest.fixture
async def group(module_control: SandboxControl) -> str:
    """A group with the account in it."""
    (account,) = (await module_control.fetch_overview()).accounts
    return await module_control.change_group([account.phone, ADA], subject="Parcels")


def request(to: str, body: str, **fields: Any) -> dict[str, Any]:
    """A request for a text."""
    return {"id": uuid4().hex, "to": to, "content": {"type": "text", "body": body}} | fields


async def rows_to(control: SandboxControl, recipient: str) -> list[dict[str, Any]]:
    """What arrived for this recipient."""
    return [row for row in await control.fetch_log() if row["to"] == recipient]


async def test_a_message_to_a_group(
    caller: Caller, module_control: SandboxControl, group: str
) -> None:
    """Its statuses have the group as their key and `to`; a repeat in another spelling sends nothing."""
    message = request(group, "hello all")
    await caller.request(message)
    delivered = await caller.wait_for_status(message["id"], "delivered")
    assert delivered["to"] == group
    await caller.request(message | {"to": f" {group.upper()} "})
    await caller.request(last := request(group, "the end"))
    await caller.wait_for_status(last["id"], "sent")
    bodies = [row["body"] for row in await rows_to(module_control, group)]
    assert bodies == ["hello all", "the end"]


async def test_a_group_that_the_account_is_not_in(
    caller: Caller, module_control: SandboxControl
) -> None:
    """The only account is not a member, so the message fails at once and names the reason."""
    foreign_group = await module_control.change_group([ADA])
    message = request(foreign_group, "hello")
    await caller.request(message)
    failed = await caller.wait_for_status(message["id"], "failed")
    assert failed["error"]["code"] == "not_in_group"
    assert await rows_to(module_control, foreign_group) == []


async def test_the_groups_of_an_account_are_listed(running: SystemUnderTest, group: str) -> None:
    """The sender publishes a new group within seconds."""
    async with asyncio.timeout(60):
        while True:
            listed = await read_groups(running.settings, "main")
            if any(each.id == group and each.can_write for each in listed.report.groups):
                break
            await asyncio.sleep(0.5)
    assert listed.age_s < 60
