"""Accounts and chats in a real Chromium. All tests of this file share one linked driver."""

import pytest

from streams.whatsapp.driver import MessageFound, NotSubmitted, OnWhatsApp, Phase, ServerAccepted
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import make_text, wait_for_phase
from tests.support.sandbox import SandboxControl

HIDDEN = "+905551119999"

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_restricted_account_sends_nothing(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The session has the reason until the restriction is lifted."""
    await shared_control.add_faults({"restrict": True})
    restricted = await wait_for_phase(shared_driver, Phase.RESTRICTED)
    assert restricted.reason == "tos_block"
    result = await shared_driver.submit(make_text("3EB0CC04"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "account_restricted"
    await shared_control.clear_faults()
    await wait_for_phase(shared_driver, Phase.READY)
    assert isinstance(await shared_driver.submit(make_text("3EB0CC04")), ServerAccepted)
    assert await shared_control.fetch_new_ids() == ["3EB0CC04"]


async def test_another_chat_id(shared_driver: WhatsAppWeb, shared_control: SandboxControl) -> None:
    """A number whose WhatsApp id has other digits has a LID like any other; the log has the number.

    Source: WAWebQueryExistsJob.
    """
    number = "+5511987654321"
    await shared_control.set_numbers({number: {"chat_id": "551187654321@c.us"}})
    answer = await shared_driver.look_up(number)
    chat_id = getattr(answer, "chat_id", None)
    assert answer == OnWhatsApp("71234567891155@lid", "+551187654321")
    assert await shared_driver.look_up("+551187654321") == answer, "the chat has one number"
    assert chat_id is not None
    assert isinstance(
        await shared_driver.submit(make_text("3EB0CC05", chat_id=chat_id)), ServerAccepted
    )
    assert [row["to"] for row in await shared_control.fetch_new_messages()] == [number]


async def test_a_hidden_number(shared_driver: WhatsAppWeb, shared_control: SandboxControl) -> None:
    """A chat with an @lid gets its message, and the message is found under that id."""
    await shared_control.set_numbers({HIDDEN: {"chat_id": "777000111222@lid"}})
    answer = await shared_driver.look_up(HIDDEN)
    assert answer == OnWhatsApp("777000111222@lid", HIDDEN)
    message = make_text("3EB0CC06", chat_id="777000111222@lid")
    assert isinstance(await shared_driver.submit(message), ServerAccepted)
    assert isinstance(
        await shared_driver.find_message("3EB0CC06", "777000111222@lid"), MessageFound
    )
    assert [row["to"] for row in await shared_control.fetch_new_messages()] == [HIDDEN]
