"""Sending in a real Chromium with the real wa-js. All tests of this file share one linked driver.

No test may harm the driver, and each has its own ids.
"""

import asyncio
import math
import time
from typing import Any

import pytest

from streams.domain.inbound.position import FIRST_ROW
from streams.domain.inbound.reader import ReadRequest
from streams.whatsapp.driver import (
    InDoubt,
    LookupFailed,
    MessageFound,
    MessageNotFound,
    NotOnWhatsApp,
    NotSubmitted,
    OnWhatsApp,
    ServerAccepted,
    ServerRefused,
)
from streams.whatsapp.incoming import IncomingHint
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER,
    PEER_CHAT,
    make_text,
)
from tests.support.sandbox import SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_look_up(shared_driver: WhatsAppWeb, shared_control: SandboxControl) -> None:
    """A look-up has three results: a chat id, "not on WhatsApp", and no answer."""
    nobody = "+905550009999"
    await shared_control.set_numbers({nobody: {"on_whatsapp": False}})
    lookup = await shared_driver.look_up(PEER)
    assert isinstance(lookup, OnWhatsApp)
    assert lookup.chat_id.endswith("@lid")
    assert await shared_driver.look_up(nobody) == NotOnWhatsApp()
    await shared_control.add_faults({"lookup_error": True})
    assert isinstance(await shared_driver.look_up(PEER), LookupFailed)
    assert isinstance(await shared_driver.look_up("+905550008888"), LookupFailed)


async def test_an_error_for_one_number_is_no_answer(shared_driver: WhatsAppWeb) -> None:
    """WhatsApp's own function takes it for "not on WhatsApp" (source: WAWebQueryExistsJob)."""
    tab = shared_driver._require_page()._tab
    await tab.evaluate(
        """() => {
          const wire = require('WAWebSandboxWire');
          const request = wire.request;
          wire.request = async () => { wire.request = request; return { number_error: 429 }; };
        }"""
    )
    assert isinstance(await shared_driver.look_up(PEER), LookupFailed)
    assert isinstance(await shared_driver.look_up(PEER), OnWhatsApp)


async def test_submits_under_the_chosen_id(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The server gets exactly that id, and the message is found by it."""
    before_s = time.time()
    result = await shared_driver.submit(make_text("3EB0C767D82B0A0C1E2F01", "salut"))
    assert isinstance(result, ServerAccepted)
    assert before_s <= result.at_s <= time.time()
    (row,) = await shared_control.fetch_new_messages()
    assert (row["whatsapp_id"], row["to"], row["body"]) == (
        "3EB0C767D82B0A0C1E2F01",
        PEER,
        "salut",
    )
    lookup = await shared_driver.find_message("3EB0C767D82B0A0C1E2F01", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack >= 1
    assert (
        await shared_driver.find_message("3EB0C767D82B0A0C1E2F02", PEER_CHAT) == MessageNotFound()
    )


async def test_an_id_that_the_server_has_is_not_sent_again(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The second submit of an id gets its result from the page's store."""
    assert isinstance(await shared_driver.submit(make_text("3EB0AA01")), ServerAccepted)
    assert isinstance(await shared_driver.submit(make_text("3EB0AA01")), ServerAccepted)
    assert await shared_control.fetch_new_ids() == ["3EB0AA01"]


async def test_two_submits_of_one_id_at_once_send_one(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The second does not know the outcome of the first, and reports that."""
    await shared_control.add_faults({"ack_delay_ms": 300}, count=1)
    results = await asyncio.gather(
        shared_driver.submit(make_text("3EB0AA02")), shared_driver.submit(make_text("3EB0AA02"))
    )
    assert isinstance(results[0], ServerAccepted)
    assert isinstance(results[1], ServerAccepted | InDoubt)
    assert await shared_control.fetch_new_ids() == ["3EB0AA02"]


async def test_nothing_leaves_after_the_deadline(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The page checks the time itself, and nothing arrives later either."""
    result = await shared_driver.submit(make_text("3EB0AA03", deadline_in_s=-0.01))
    assert isinstance(result, NotSubmitted)
    assert result.code == "timeout_before_submit"
    assert isinstance(await shared_driver.submit(make_text("3EB0AA04")), ServerAccepted)
    assert await shared_control.fetch_new_ids() == ["3EB0AA04"]


async def test_a_chat_that_opens_too_late_is_not_written_to(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The deadline passes while WhatsApp opens a new chat: the gate stops the late message."""
    await shared_control.add_faults({"lookup_error": True})
    late = make_text("3EB0AA05", chat_id="905557778899@c.us", deadline_in_s=0.3)
    async with asyncio.timeout(30):
        result = await shared_driver.submit(late)
    assert isinstance(result, NotSubmitted)
    assert result.code in {"timeout_before_submit", "lookup_failed"}
    await shared_control.clear_faults()
    assert isinstance(await shared_driver.submit(make_text("3EB0AA06")), ServerAccepted)
    assert await shared_control.fetch_new_ids() == ["3EB0AA06"]


async def test_a_lost_ack_is_in_doubt(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The server has it and sends no ack: it is in the store with ack 0, and is not sent again."""
    await shared_control.add_faults({"ack_lost": True}, count=1)
    result = await shared_driver.submit(make_text("3EB0AA07", ack_timeout_s=0.3))
    assert isinstance(result, InDoubt)
    assert await shared_driver.find_message("3EB0AA07", PEER_CHAT) == MessageFound(
        0, is_pending=True
    )
    assert await shared_control.fetch_new_ids() == ["3EB0AA07"]
    second = await shared_driver.submit(make_text("3EB0AA07", ack_timeout_s=0.3))
    assert isinstance(second, InDoubt)
    assert await shared_control.fetch_new_ids() == ["3EB0AA07"]


async def test_a_message_in_the_outbox_does_not_count_as_unsent(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """It may leave at any time, also after the deadline, so "not submitted" would be wrong."""
    await shared_control.add_faults({"ack_lost": True}, count=1)
    assert isinstance(await shared_driver.submit(make_text("3EB0AA20", ack_timeout_s=0.1)), InDoubt)
    late = await shared_driver.submit(make_text("3EB0AA20", deadline_in_s=-5.0, ack_timeout_s=0.1))
    assert isinstance(late, InDoubt)


async def test_a_deadline_far_away(shared_driver: WhatsAppWeb) -> None:
    """The deadline may be later than a timer of the page can be."""
    for deadline_in_s in (1e8, math.inf):
        submission = make_text(
            f"3EB0AA21{deadline_in_s}", deadline_in_s=deadline_in_s, ack_timeout_s=1e8
        )
        assert isinstance(await shared_driver.submit(submission), ServerAccepted)


async def test_an_error_of_the_server_is_refused(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The message has failed in the store, and the same id can be submitted again."""
    await shared_control.add_faults({"send_error": 500}, count=1)
    result = await shared_driver.submit(make_text("3EB0AA08"))
    assert isinstance(result, ServerRefused)
    assert result.server_code == 500
    lookup = await shared_driver.find_message("3EB0AA08", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack < 0
    assert isinstance(await shared_driver.submit(make_text("3EB0AA08")), ServerAccepted)


async def test_the_reach_out_time_lock_has_its_own_code(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """463 must not look like an error that another attempt could cure."""
    await shared_control.add_faults({"send_error": 463}, count=1)
    result = await shared_driver.submit(make_text("3EB0AA09"))
    assert isinstance(result, ServerRefused)
    assert result.server_code == 463


async def test_a_reply_names_a_message_of_the_chat(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """An id that is not in the chat is refused before anything is sent."""
    assert isinstance(await shared_driver.submit(make_text("3EB0AA10")), ServerAccepted)
    assert isinstance(
        await shared_driver.submit(make_text("3EB0AA11", reply_to="3EB0AA10")), ServerAccepted
    )
    result = await shared_driver.submit(make_text("3EB0AA12", reply_to="3EB0NONE"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "content_refused"
    assert await shared_control.fetch_new_ids() == ["3EB0AA10", "3EB0AA11"]


async def test_receipts_and_inbound_messages_come_back(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The driver reports delivered, read, and that there is a message to read."""
    phone = shared_driver.session.phone
    assert phone is not None
    assert isinstance(await shared_driver.submit(make_text("3EB0AA16")), ServerAccepted)
    kinds: list[str] = []
    async with asyncio.timeout(60):
        async for incoming in shared_driver.watch_incoming():
            if isinstance(incoming, IncomingHint):
                break
            if incoming.whatsapp_id != "3EB0AA16":
                continue
            kinds.append(incoming.kind)
            if incoming.kind == "delivered":
                await shared_control.read_messages(PEER, phone)
            if incoming.kind == "read":
                await shared_control.write_to_account(PEER, phone, "thanks")
        else:
            raise AssertionError("the driver stopped")
    assert set(kinds) == {"delivered", "read"}
    batch = await shared_driver.read_messages(ReadRequest(FIRST_ROW - 1, "", 0.0))
    assert batch is not None
    [message] = batch.messages
    assert (message.phone, message.type, message.content) == (PEER, "text", {"body": "thanks"})
    assert abs(message.at_s - time.time()) < 60


async def test_the_page_works_after_a_garbage_collection(shared_driver: WhatsAppWeb) -> None:
    """The page is not reloaded, and sends as before."""
    assert not await shared_driver.collect_garbage()
    assert isinstance(await shared_driver.submit(make_text("3EB0AA19")), ServerAccepted)


async def read_state(driver: WhatsAppWeb) -> dict[str, Any]:
    """The state as the adapter reads it now."""
    argument = {"after": 0, "state_version": 0, "wait_ms": 0}
    return (await driver._require_page().call("listen", argument, 5.0))["state"]


async def test_a_quota_that_nobody_told_is_none(shared_driver: WhatsAppWeb) -> None:
    """The page stores a total of 0 then (source: WAWebMexFetchNewChatMessageCappingInfoJob)."""
    tab = shared_driver._require_page()._tab
    store = "require('WAWebUserPrefsIndexedDBStorage').userPrefsIdb"
    data = "{total_quota: 0, used_quota: 0, cycle_end_timestamp: 0, capping_status: 'NONE'}"
    await tab.evaluate(f"() => {store}.set('WANewChatMessageCappingData', {data})")
    try:
        assert (await read_state(shared_driver))["new_chat_quota"] is None
    finally:
        await tab.evaluate(f"() => {store}.remove('WANewChatMessageCappingData')")


async def test_what_was_refused_is_not_sent_later(shared_driver: WhatsAppWeb) -> None:
    """The submit has told that nothing left, so the page may not send the stored message either."""
    await shared_driver.submit(make_text("3EB0AA60", deadline_in_s=-0.1))
    code = await shared_driver._require_page()._tab.evaluate(
        """async () => {
          const model = { id: { id: '3EB0AA60' }, on: () => {} };
          try {
            await require('WAWebSendMsgRecordAction').sendMsgRecord(model);
          } catch (error) { return error.code; }
        }"""
    )
    assert code == "timeout_before_submit"


async def test_a_database_that_hangs_is_a_stall(shared_driver: WhatsAppWeb) -> None:
    """The submit gets no further, and the supervisor can see it; when the database answers, it goes on."""
    tab = shared_driver._require_page()._tab
    await tab.evaluate(
        """() => {
          const { MsgStore } = WPP.whatsapp;
          const load = MsgStore.getMessagesById;
          const isOpen = new Promise((resolve) => { window.openDatabase = resolve; });
          MsgStore.getMessagesById = (keys) => isOpen.then(() => load.call(MsgStore, keys));
        }"""
    )
    submit = asyncio.create_task(shared_driver.submit(make_text("3EB0AA61")))
    async with asyncio.timeout(60):
        while (state := await read_state(shared_driver))["pending_since_ms"] is None:
            assert not submit.done()
    assert state["pending"] == 0
    await tab.evaluate("() => window.openDatabase()")
    assert isinstance(await submit, ServerAccepted)
    assert (await read_state(shared_driver))["pending_since_ms"] is None
