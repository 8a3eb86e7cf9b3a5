"""Groups through the real wa-js: what the members get, their receipts, and what a group refuses.

All tests of this file share one linked driver; each has its own group and its own ids.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from streams.whatsapp.driver import (
    MessageFound,
    MessageNotFound,
    NotSubmitted,
    Receipt,
    ServerAccepted,
)
from streams.whatsapp.groups import Group
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import make_message, make_text
from tests.support.sandbox import SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ADA, BOB = "+905551112233", "+905551112244"
UNKNOWN_GROUP = "120363999999999999@g.us"


@pytest_asyncio.fixture(loop_scope="module")
async def me(shared_control: SandboxControl) -> str:
    """The phone of the account."""
    return (await shared_control.fetch_overview()).accounts[0].phone


@pytest_asyncio.fixture(loop_scope="module")
async def group(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, me: str
) -> AsyncIterator[str]:
    """A group with the account and two others."""
    group_id = await shared_control.change_group([me, ADA, BOB], subject="Parcels")
    await wait_for_group(shared_driver, Group(group_id, "Parcels", 3, can_write=True))
    yield group_id


async def wait_for_group(driver: WhatsAppWeb, expected: Group) -> None:
    """The page learns of a change by an event of the server."""
    async with asyncio.timeout(60):
        while True:
            listed = await driver.list_groups()
            if listed is not None and expected in listed.groups:
                return
            await asyncio.sleep(0.02)


async def next_receipt(driver: WhatsAppWeb, whatsapp_id: str) -> str:
    """The next receipt of this message."""
    async with asyncio.timeout(60):
        async for incoming in driver.watch_incoming():
            if isinstance(incoming, Receipt) and incoming.whatsapp_id == whatsapp_id:
                return incoming.kind
    raise AssertionError("the driver stopped")


async def test_a_message_arrives_once_in_the_group(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, group: str
) -> None:
    """Under its id, also if it is submitted again, and it is found by its id."""
    message = make_text("3EB0600001", "hello all", chat_id=group)
    assert isinstance(await shared_driver.submit(message), ServerAccepted)
    assert isinstance(await shared_driver.submit(message), ServerAccepted)
    rows = await shared_control.fetch_new_messages()
    assert [(row["to"], row["body"]) for row in rows] == [(group, "hello all")]
    found = await shared_driver.find_message("3EB0600001", group)
    assert isinstance(found, MessageFound)
    assert found.ack >= 1
    assert await shared_driver.find_message("3EB0600000", group) == MessageNotFound()


async def test_a_reaction_and_a_quote_find_their_message(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, group: str
) -> None:
    """A message to a group has another form of key; what refers to it finds it all the same."""
    await shared_driver.submit(make_text("3EB0600011", "first", chat_id=group))
    reply = make_text("3EB0600012", "second", chat_id=group, reply_to="3EB0600011")
    content: dict[str, object] = {"type": "reaction", "message_id": "3EB0600011", "emoji": "👍"}
    reaction = make_message("3EB0600013", content, chat_id=group)
    assert isinstance(await shared_driver.submit(reply), ServerAccepted)
    assert isinstance(await shared_driver.submit(reaction), ServerAccepted)
    rows = await shared_control.fetch_new_messages()
    assert [row["reply_to"] for row in rows] == [None, "3EB0600011", "3EB0600011"]
    assert await shared_driver.find_message("3EB0600013", group) == MessageFound(1)


async def test_it_is_delivered_and_read_when_all_members_say_so(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, group: str, me: str
) -> None:
    """WhatsApp's own store decides: one member who has read it does not make it read."""
    await shared_driver.submit(make_text("3EB0600021", chat_id=group))
    assert await next_receipt(shared_driver, "3EB0600021") == "delivered"
    assert await shared_control.read_messages(ADA, me, group=group) == 1
    assert (await shared_driver.read_acks([("3EB0600021", group)])) == {"3EB0600021": 2}
    assert await shared_control.read_messages(BOB, me, group=group) == 1
    assert await next_receipt(shared_driver, "3EB0600021") == "read"


async def test_a_group_that_does_not_exist_or_was_never_joined(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Nothing leaves the page, and no chat appears."""
    foreign_group = await shared_control.change_group([ADA, BOB])
    for number, group_id in enumerate([UNKNOWN_GROUP, foreign_group]):
        result = await shared_driver.submit(make_text(f"3EB060003{number}", chat_id=group_id))
        assert isinstance(result, NotSubmitted)
        assert result.code == "not_in_group"
    listed = await shared_driver.list_groups()
    assert listed is not None
    assert not {UNKNOWN_GROUP, foreign_group} & {each.id for each in listed.groups}
    assert await shared_control.fetch_new_messages() == []


async def test_a_group_that_the_account_has_left(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, group: str, me: str
) -> None:
    """It stays in the list, and says that the account cannot write; a new member can again."""
    await shared_control.change_group([ADA, BOB], group=group, subject="Parcels")
    await wait_for_group(shared_driver, Group(group, "Parcels", 2, can_write=False))
    result = await shared_driver.submit(make_text("3EB0600041", chat_id=group))
    assert isinstance(result, NotSubmitted)
    assert result.code == "not_in_group"
    await shared_control.change_group([ADA, me], group=group, subject="Parcels")
    await wait_for_group(shared_driver, Group(group, "Parcels", 2, can_write=True))
    assert isinstance(
        await shared_driver.submit(make_text("3EB0600042", chat_id=group)), ServerAccepted
    )


async def test_a_group_in_which_only_administrators_write(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, me: str
) -> None:
    """The account may write there if it is one."""
    members = [me, ADA]
    group = await shared_control.change_group(members, subject="News", admins_only=True)
    await wait_for_group(shared_driver, Group(group, "News", 2, can_write=False))
    result = await shared_driver.submit(make_text("3EB0600051", chat_id=group))
    assert isinstance(result, NotSubmitted)
    assert result.code == "group_admins_only"
    await shared_control.change_group(
        members, group=group, subject="News", admins=[me], admins_only=True
    )
    await wait_for_group(shared_driver, Group(group, "News", 2, can_write=True))
    assert isinstance(
        await shared_driver.submit(make_text("3EB0600052", chat_id=group)), ServerAccepted
    )
