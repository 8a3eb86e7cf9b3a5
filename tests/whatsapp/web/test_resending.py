"""What becomes of a message whose first attempt did not end well, in a real Chromium on the simulated page.

All tests of this file share one linked driver; each has its own ids.
"""

import asyncio
import base64
from typing import Any

import pytest

from streams.whatsapp.driver import (
    InDoubt,
    MessageFound,
    MessageNotFound,
    NotSubmitted,
    Phase,
    Receipt,
    ServerAccepted,
)
from streams.whatsapp.web import media
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import PEER_CHAT, make_message, make_text, wait_for_phase
from tests.support.sandbox import SandboxControl
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

FILE: dict[str, object] = {
    "type": "document",
    "data": base64.b64encode(b"%PDF any bytes").decode(),
    "mime": "application/pdf",
    "filename": "bill.pdf",
}


async def fetch_shown_ids(control: SandboxControl) -> list[str]:
    """The ids of the new messages that the recipients' phones show."""
    return [row["whatsapp_id"] for row in await control.fetch_new_messages() if row["shown"]]


async def wait_for_receipt(driver: WhatsAppWeb, whatsapp_id: str) -> Receipt:
    """The next receipt of this message."""
    async with asyncio.timeout(60):
        async for incoming in driver.watch_incoming():
            if isinstance(incoming, Receipt) and incoming.whatsapp_id == whatsapp_id:
                return incoming
    raise AssertionError("the driver stopped")


async def restart(driver: WhatsAppWeb) -> None:
    """A new page takes over."""
    await driver.stop()
    await driver.start()
    await wait_for_phase(driver, Phase.READY)


async def run_in_page(driver: WhatsAppWeb, script: str) -> Any:
    """Change the page under the driver."""
    return await driver._require_page()._tab.evaluate(script)


async def test_an_error_of_the_page_before_the_ack_is_in_doubt(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """ERROR_UNKNOWN without a code is not the server's answer (source: WAWebSendMsgRecordAction)."""
    await shared_control.add_faults({"local_error": "before_ack"}, count=1)
    assert isinstance(await shared_driver.submit(make_text("3EB0AC01")), InDoubt)
    assert await shared_driver.find_message("3EB0AC01", PEER_CHAT) == MessageFound(0)
    assert isinstance(await shared_driver.submit(make_text("3EB0AC01")), ServerAccepted)
    assert await fetch_shown_ids(shared_control) == ["3EB0AC01"]


# As after an update of WhatsApp Web: the page sends a message without the function that is wrapped.
BYPASS = """() => {
  window.failsAfterSend = false;
  require("WAWebSendMsgChatAction").resendMsgToChat = async (chat, ready) => {
    const model = await chat.sendQueue.enqueue(ready);
    const { t } = await require("WAWebSendMsgJob").encryptAndSendMsg({ type: "message", data: model });
    if (window.failsAfterSend) throw new Error("an error of the page");
    model.updateAck(1);
    return { messageSendResult: "OK", t, count: null };
  };
}"""


async def test_a_page_that_sends_without_our_hook_says_so(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """It is reported like a missing symbol, and an error is then no proof that nothing was sent."""
    await run_in_page(shared_driver, BYPASS)
    assert shared_driver.session.degraded == ()
    assert isinstance(await shared_driver.submit(make_text("3EB0AC91")), ServerAccepted)
    async with asyncio.timeout(60):
        async for session in shared_driver.watch_session():
            if session.degraded:
                break
    assert shared_driver.session.degraded == ("sending/gate",)
    await run_in_page(shared_driver, "() => { window.failsAfterSend = true; }")
    assert isinstance(await shared_driver.submit(make_text("3EB0AC92")), InDoubt)
    assert await fetch_shown_ids(shared_control) == ["3EB0AC91", "3EB0AC92"]
    await restart(shared_driver)
    assert shared_driver.session.degraded == ()


async def test_the_ack_wins_over_an_error_after_it(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The server has the message, whatever else fails in the page (source: WAWebSendMsgRecordAction)."""
    await shared_control.add_faults({"local_error": "after_ack"}, count=1)
    assert isinstance(await shared_driver.submit(make_text("3EB0AC02")), ServerAccepted)
    assert await fetch_shown_ids(shared_control) == ["3EB0AC02"]


async def test_a_late_ack_is_a_receipt(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The submit has given up, so its result is not the ack's only report."""
    await shared_control.add_faults({"ack_delay_ms": 500}, count=1)
    assert isinstance(await shared_driver.submit(make_text("3EB0AC03", ack_timeout_s=0.1)), InDoubt)
    assert (await wait_for_receipt(shared_driver, "3EB0AC03")).kind == "sent"


async def test_an_ack_that_a_submit_waits_for_is_no_receipt(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Its result reports it; repeated receipts of the phone come once, in each source."""
    await shared_control.add_faults({"receipts_repeated": True})
    before = shared_driver.ack_counts
    assert isinstance(await shared_driver.submit(make_text("3EB0AC04")), ServerAccepted)
    assert (await wait_for_receipt(shared_driver, "3EB0AC04")).kind == "delivered"
    assert isinstance(await shared_driver.submit(make_text("3EB0AC05")), ServerAccepted)
    assert (await wait_for_receipt(shared_driver, "3EB0AC05")).kind == "delivered"
    await wait_until(lambda: shared_driver.ack_counts.read - before.read == 2, timeout_s=60)
    assert shared_driver.ack_counts.heard - before.heard == 2


async def test_an_id_that_the_database_has_and_nobody_saw(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """WhatsApp refuses a stored id (source: WAWebDBProcessMessage): the submit looks again and goes on."""
    await shared_control.add_faults({"local_error": "before_ack"}, count=1)
    assert isinstance(await shared_driver.submit(make_text("3EB0AC06")), InDoubt)
    await run_in_page(
        shared_driver,
        """() => {
          const store = WPP.whatsapp.MsgStore;
          const model = store.getModelsArray().find((message) => message.id.id === "3EB0AC06");
          WPP.whatsapp.ChatStore.get(model.id.remote).msgs.remove(model);
          store.remove(model);
          const load = store.getMessagesById;
          store.getMessagesById = async () => { store.getMessagesById = load; return { messages: [] }; };
        }""",
    )
    assert isinstance(await shared_driver.submit(make_text("3EB0AC06")), ServerAccepted)
    assert await fetch_shown_ids(shared_control) == ["3EB0AC06"]


async def test_a_refused_upload_is_certain(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Nothing is sent before the upload has ended (source: WAWebSendMsgChatAction), so it may be retried."""
    await shared_control.add_faults({"upload_error": 500}, count=1)
    result = await shared_driver.submit(make_message("3EB0AC07", FILE))
    assert isinstance(result, NotSubmitted)
    assert result.code == "media_upload_failed"
    assert isinstance(await shared_driver.submit(make_message("3EB0AC07", FILE)), ServerAccepted)
    assert await fetch_shown_ids(shared_control) == ["3EB0AC07"]


async def test_a_hung_upload_is_cancelled(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later messages of the chat wait for it (source: WAInOrderPromiseQueue), and then go on."""
    monkeypatch.setitem(media.UPLOAD_BASE_S, "document", 0.5)
    await shared_control.add_faults({"upload_hangs": True}, count=1)
    content = {**FILE, "data": base64.b64encode(b"%PDF other bytes").decode()}
    hung, waiting = await asyncio.gather(
        shared_driver.submit(make_message("3EB0AC08", content)),
        shared_driver.submit(make_text("3EB0AC09")),
    )
    assert isinstance(hung, NotSubmitted)
    assert hung.code == "media_upload_failed"
    assert isinstance(waiting, ServerAccepted)
    assert await fetch_shown_ids(shared_control) == ["3EB0AC09"]


async def test_a_reaction_is_found_under_its_id(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The page keeps reactions in a table of their own (source: WAWebSchemaReactions)."""
    assert isinstance(await shared_driver.submit(make_text("3EB0AC10")), ServerAccepted)
    content: dict[str, object] = {"type": "reaction", "message_id": "3EB0AC10", "emoji": "👍"}
    assert await shared_driver.find_message("3EB0AC11", PEER_CHAT) == MessageNotFound()
    for _ in range(2):
        reaction = make_message("3EB0AC11", content)
        assert isinstance(await shared_driver.submit(reaction), ServerAccepted)
    assert await shared_driver.find_message("3EB0AC11", PEER_CHAT) == MessageFound(1)
    assert await fetch_shown_ids(shared_control) == ["3EB0AC10", "3EB0AC11"]


async def test_a_reaction_passes_the_gate(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """After its deadline, it does not leave the page."""
    assert isinstance(await shared_driver.submit(make_text("3EB0AC12")), ServerAccepted)
    content: dict[str, object] = {"type": "reaction", "message_id": "3EB0AC12", "emoji": "👍"}
    result = await shared_driver.submit(make_message("3EB0AC13", content, deadline_in_s=-0.1))
    assert isinstance(result, NotSubmitted)
    assert result.code == "timeout_before_submit"
    assert await fetch_shown_ids(shared_control) == ["3EB0AC12"]


async def test_the_pages_error_in_a_reaction_is_in_doubt(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Another submit sends it again; the phone shows one reaction."""
    assert isinstance(await shared_driver.submit(make_text("3EB0AC14")), ServerAccepted)
    content: dict[str, object] = {"type": "reaction", "message_id": "3EB0AC14", "emoji": "👍"}
    await shared_control.add_faults({"local_error": "before_ack"}, count=1)
    assert isinstance(await shared_driver.submit(make_message("3EB0AC15", content)), InDoubt)
    lookup = await shared_driver.find_message("3EB0AC15", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack <= 0
    await restart(shared_driver)
    late = await shared_driver.submit(make_message("3EB0AC15", content, deadline_in_s=-0.1))
    assert isinstance(late, InDoubt)
    assert isinstance(await shared_driver.submit(make_message("3EB0AC15", content)), ServerAccepted)
    assert await fetch_shown_ids(shared_control) == ["3EB0AC14", "3EB0AC15"]


async def test_a_blocked_contact_is_refused_before_the_hand_over(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The page would refuse it after it has stored it (source: WAWebSendMsgRecordAction)."""
    await run_in_page(
        shared_driver,
        """() => {
          const store = WPP.whatsapp.BlocklistStore;
          window.previousGet = store.get;
          store.get = () => ({});
        }""",
    )
    result = await shared_driver.submit(make_text("3EB0AC16"))
    await run_in_page(
        shared_driver, "() => { WPP.whatsapp.BlocklistStore.get = window.previousGet; }"
    )
    assert isinstance(result, NotSubmitted)
    assert result.code == "content_refused"
    assert await fetch_shown_ids(shared_control) == []


async def test_a_receipt_implies_a_lost_ack(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The recipient's phone has the message, so the server had it: the submit does not wait on."""
    await shared_control.add_faults({"receipts_unacked": True, "ack_lost": True}, count=1)
    assert isinstance(await shared_driver.submit(make_text("3EB0AC17")), ServerAccepted)


async def test_a_file_is_sent_again_by_the_next_page(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page stores a message without its file, which the submit brings again."""
    monkeypatch.setitem(media.UPLOAD_BASE_S, "document", 0.3)
    await shared_control.add_faults({"upload_hangs": True}, count=1)
    content = {**FILE, "data": base64.b64encode(b"%PDF yet other bytes").decode()}
    assert isinstance(await shared_driver.submit(make_message("3EB0AC18", content)), NotSubmitted)
    await restart(shared_driver)
    lookup = await shared_driver.find_message("3EB0AC18", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert not lookup.is_pending
    assert isinstance(
        await shared_driver.submit(make_message("3EB0AC18", content, deadline_in_s=20)),
        ServerAccepted,
    )
    (row,) = await shared_control.fetch_new_messages()
    assert row["whatsapp_id"] == "3EB0AC18"
    assert "is_broken" not in row["details"]


async def test_a_message_of_an_earlier_page_is_quoted(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """It need not be in memory (source: WAWebMsgCollection.getMessagesById)."""
    for whatsapp_id in ("3EB0AC19", "3EB0AC20"):
        assert isinstance(await shared_driver.submit(make_text(whatsapp_id)), ServerAccepted)
    await restart(shared_driver)
    reply = make_text("3EB0AC21", reply_to="3EB0AC19")
    assert isinstance(await shared_driver.submit(reply), ServerAccepted)
    content: dict[str, object] = {"type": "reaction", "message_id": "3EB0AC19", "emoji": "👍"}
    assert isinstance(await shared_driver.submit(make_message("3EB0AC22", content)), ServerAccepted)
    rows = await shared_control.fetch_new_messages()
    assert [row["reply_to"] for row in rows] == [None, None, "3EB0AC19", "3EB0AC19"]
