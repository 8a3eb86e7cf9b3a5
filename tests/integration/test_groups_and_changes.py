"""Groups, edits, revokes, opt-outs and forgetting, through the running service: by the sandbox's log and the topics."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from streams.operations.errors import CommandFailed
from streams.operations.forgetting.requesting import forget
from streams.operations.forgetting.traces import list_traces
from streams.operations.groups import read_groups
from streams.operations.queue import read_recipient
from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.system import SystemUnderTest
from tests.support.verdict import check_by_audit
from tests.support.waiting import wait_until

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

    async def find() -> bool:
        try:
            listed = await read_groups(running.settings, "main")
        except CommandFailed:  # there is no list yet
            return False
        groups = listed.report.groups
        return listed.age_s < 60 and any(each.id == group and each.can_write for each in groups)

    await wait_until(find, message="the group was never listed")


async def test_an_edit_and_a_revoke(
    caller: Caller, module_control: SandboxControl, running: SystemUnderTest
) -> None:
    """Each reaches the recipient once, also if it is requested twice; what comes later is too late or unknown."""
    phone = f"+90555{uuid4().int % 10_000_000:07}"
    message = request(phone, "frist")
    await caller.request(message)
    sent = await caller.wait_for_status(message["id"], "delivered")
    names = {"to": phone, "id": message["id"]}
    change = {"type": "edit", "request_id": uuid4().hex, **names}
    edit = change | {"content": {"type": "text", "body": "first"}}
    await caller.request(edit)
    await caller.request(edit)
    await caller.wait_for_status(edit["request_id"], "sent")
    revoke = {"type": "revoke", "request_id": uuid4().hex, **names}
    await caller.request(revoke)
    await caller.wait_for_status(revoke["request_id"], "sent")
    unknown = revoke | {"request_id": uuid4().hex, "id": "nothing"}
    await caller.request(unknown)
    rejected = await caller.wait_for_status(unknown["request_id"], "rejected")
    assert rejected["error"]["code"] == "unknown_request"
    rows = await rows_to(module_control, phone)
    assert [(row["type"], row["body"]) for row in rows] == [
        ("text", "frist"),
        ("edit", "first"),
        ("revoke", ""),
    ]
    assert [row["details"].get("target") for row in rows] == [None, *[sent["whatsapp_id"]] * 2]
    await check_by_audit(running.settings)


async def test_a_recipient_who_writes_stop_gets_no_offers(
    caller: Caller, module_control: SandboxControl, running: SystemUnderTest
) -> None:
    """What is scheduled is rejected, and so is what comes later; other messages arrive."""
    phone = f"+90555{uuid4().int % 10_000_000:07}"
    offer = request(phone, "Sale", category="marketing", send_at="2036-01-01T00:00:00Z")
    parcel = request(phone, "Your parcel")
    await caller.request(offer, parcel)
    await caller.wait_for_status(parcel["id"], "sent")
    (row,) = await rows_to(module_control, phone)
    await module_control.write_to_account(phone, row["from"], "Stop.")
    rejected = await caller.wait_for_status(offer["id"], "rejected")
    assert rejected["error"]["code"] == "recipient_opted_out"
    late, last = request(phone, "Sale", category="marketing"), request(phone, "Delivered")
    await caller.request(late, last)
    await caller.wait_for_status(last["id"], "sent")
    assert caller.statuses(late["id"]) == ["rejected"]
    bodies = [row["body"] for row in await rows_to(module_control, phone)]
    assert bodies == ["Your parcel", "Delivered"]
    await check_by_audit(running.settings)


async def test_a_recipient_is_forgotten(
    caller: Caller, module_control: SandboxControl, running: SystemUnderTest
) -> None:
    """Rows, claims and chat go. The same record sends nothing again, and a new request does; the opt-out stays."""
    settings, phone = running.settings, f"+90555{uuid4().int % 10_000_000:07}"
    message, later = request(phone, "hello"), request(phone, "x", send_at="2036-01-01T00:00:00Z")
    consent = {"type": "consent", "to": phone, "consent": "opted_out", "request_id": uuid4().hex}
    await caller.request(message, later, consent)
    await caller.wait_for_status(message["id"], "delivered")
    progress = await forget(settings, phone, keep_opt_out=True, timeout_s=60)
    assert progress.is_complete
    (report,) = progress.reports.values()
    assert (report.messages, report.cancelled, report.consent) == (2, 1, "kept_as_hash")
    assert [(answer.claims, answer.has_chat) for answer in progress.answers.values()] == [(1, True)]
    recipient = await read_recipient(settings, phone, 0.0, lambda *_: None)
    assert recipient.consent is None
    offer, last = request(phone, "Sale", category="marketing"), request(phone, "hello again")
    await caller.request(message, offer, last)
    await caller.wait_for_status(last["id"], "delivered")
    assert caller.statuses(offer["id"]) == ["rejected"]
    assert [row["body"] for row in await rows_to(module_control, phone)] == ["hello", "hello again"]
    again = await forget(settings, phone, keep_opt_out=False, timeout_s=60)
    assert {report.consent for report in again.reports.values()} == {"removed"}
    traces = {trace.topic: trace for trace in await list_traces(settings)}
    assert all(trace.until for trace in traces.values())
    assert caller.names.dlq in traces
    await check_by_audit(settings)
