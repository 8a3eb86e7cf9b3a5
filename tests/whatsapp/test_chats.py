"""One chat in a real Chromium with the real wa-js: who is a stranger, the typing indication, and its end."""

import asyncio

import pytest

from streams.whatsapp.driver import MessageNotFound, OnWhatsApp, ServerAccepted
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import make_text
from tests.support.sandbox import SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

FRIEND, STRANGER, FORGOTTEN = "+60123450001", "+60123450002", "+60123450003"


async def look_up(driver: WhatsAppWeb, phone: str) -> str:
    """The id of the chat of this number."""
    found = await driver.look_up(phone)
    assert isinstance(found, OnWhatsApp)
    return found.chat_id


async def test_who_has_written_is_no_stranger(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """A person who got a message stays a stranger until they answer; to ask opens no chat."""
    chat_id = await look_up(shared_driver, FRIEND)
    assert await shared_driver.is_new_chat(chat_id)
    message = make_text("3EB0C767D82B0A0C1EC001", "salut", chat_id=chat_id)
    assert isinstance(await shared_driver.submit(message), ServerAccepted)
    assert await shared_driver.is_new_chat(chat_id)
    account = shared_driver.session.phone
    assert account is not None
    await shared_control.write_to_account(FRIEND, account, "hello")
    async with asyncio.timeout(60):
        while await shared_driver.is_new_chat(chat_id):  # noqa: ASYNC110 - the page gets it soon
            await asyncio.sleep(0.02)


async def test_a_person_whom_the_page_does_not_know_is_no_missing_symbol(
    shared_driver: WhatsAppWeb,
) -> None:
    """WhatsApp's own check fails without a contact; an alert says that a symbol is missing."""
    assert await shared_driver.is_new_chat("60123459999@c.us")
    assert shared_driver._supervisor is not None
    page = shared_driver._supervisor.page
    assert page is not None
    answer = await page.call("listen", {"after": 0, "state_version": -1, "wait_ms": 0}, 10)
    assert answer["state"]["missing"] == []


async def test_typing_is_shown_and_ends(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The recipient sees it until it is ended, before the first message of the chat, too."""
    after_seq = max(event["seq"] for event in await shared_control.fetch_events())
    chat_id = await look_up(shared_driver, STRANGER)
    assert await shared_driver.set_typing(chat_id, is_typing=True)
    assert await shared_driver.set_typing(chat_id, is_typing=False)
    await shared_driver.look_up(STRANGER)  # answered by the server after everything before it
    events = await shared_control.fetch_events(after_seq)
    states = [(event["to"], event["state"]) for event in events if event["event"] == "chatstate"]
    assert states == [(STRANGER, "composing"), (STRANGER, "paused")]
    assert await shared_control.fetch_new_messages() == []


async def test_a_deleted_chat_is_gone(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Its messages are not found any more, and the next message to its person opens a new one."""
    chat_id = await look_up(shared_driver, FORGOTTEN)
    assert await shared_driver.delete_chat(chat_id) is False
    whatsapp_id = "3EB0C767D82B0A0C1EC0F1"
    message = make_text(whatsapp_id, "salut", chat_id=chat_id)
    assert isinstance(await shared_driver.submit(message), ServerAccepted)
    assert await shared_driver.delete_chat(chat_id) is True
    assert await shared_driver.find_message(whatsapp_id, chat_id) == MessageNotFound()
    assert await shared_driver.delete_chat(chat_id) is False
    other = make_text("3EB0C767D82B0A0C1EC0F2", "hello again", chat_id=chat_id)
    assert isinstance(await shared_driver.submit(other), ServerAccepted)
