"""How a sender handles its dispatches if only messages fail, and no process."""

import sys
import time
from collections import Counter

import aiohttp
import pytest

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, Sent
from streams.domain.sending.message_id import derive_whatsapp_id
from tests.sender.conftest import ACCOUNT, SenderHarness
from tests.support.waiting import wait_until
from tests.support.whatsapp import link_account

pytestmark = [pytest.mark.broker, pytest.mark.browser]

GC_EVERY = 20  # submits, instead of hundreds
SENDER_WITH_FREQUENT_GC = f"""
from streams.cli.__main__ import main
from streams.sender.attempts import permission
permission.GC_EVERY = {GC_EVERY}
main()
"""


async def test_a_dispatch_becomes_a_message_and_its_outcome(harness: SenderHarness) -> None:
    """Its number is looked up, it is sent under its derived id, and the outcome follows its arrival."""
    before_s = time.time()
    send = await harness.dispatch("happy", "+60120000001")
    outcome = await harness.wait_for_outcome(send)
    [row] = await harness.fetch_stanzas("happy")
    namespace = harness.system.settings.topic_prefix
    assert outcome.whatsapp_id == derive_whatsapp_id(namespace, ACCOUNT, send.phone, send.id)
    assert (row["to"], row["whatsapp_id"]) == (send.phone, outcome.whatsapp_id)
    assert outcome.chat_id == row["chat_id"]
    assert outcome.chat_id.endswith("@lid")
    assert isinstance(outcome.result, Sent)
    # The time is the broker's, as far as the sender knows it.
    skew_s = harness.system.settings.clock_skew_ms / 1000
    assert before_s - skew_s < outcome.result.at_s < time.time() + skew_s


async def test_receipts_are_published(harness: SenderHarness) -> None:
    """Each receipt of the recipient's phone is published once, in order."""
    send = await harness.dispatch("receipts", "+60120000002")
    await wait_until(lambda: harness.find_receipts("receipts") == ["delivered"])
    account = await harness.wait_for_state("ready")
    await harness.control.post("/read", {"by": send.phone, "to": account["phone"]})
    await wait_until(lambda: harness.find_receipts("receipts") == ["delivered", "read"])


async def test_a_number_that_is_not_on_whatsapp(harness: SenderHarness) -> None:
    """It fails permanently, and nothing was claimed or sent."""
    await harness.control.post("/numbers", {"+60120000003": {"on_whatsapp": False}})
    send = await harness.dispatch("nobody", "+60120000003")
    assert await harness.wait_for_result(send) == Failed(error=Error("recipient_not_on_whatsapp"))
    assert await harness.fetch_stanzas("nobody") == []


async def test_a_look_up_without_an_answer_does_not_mean_no(harness: SenderHarness) -> None:
    """The message may be tried again; a dispatch with a chat id needs no look-up."""
    looked_up = await harness.dispatch("looked up", "+60120000004")
    chat_id = (await harness.wait_for_outcome(looked_up)).chat_id
    await harness.control.post("/faults", {"lookup_error": True, "number": "+60120000004"})
    send = await harness.dispatch("not looked up", "+60120000004")
    result = await harness.wait_for_result(send)
    assert isinstance(result, Failed)
    assert result.error.code == "lookup_failed"
    assert await harness.fetch_stanzas("not looked up") == []
    with_chat_id = await harness.dispatch("with chat id", "+60120000004", chat_id=chat_id)
    assert isinstance(await harness.wait_for_result(with_chat_id), Sent)


async def test_a_dispatch_past_its_deadline_is_deferred(harness: SenderHarness) -> None:
    """It is never submitted, not even when it is delivered again."""
    send = await harness.dispatch("late", "+60120000005", timeout_s=-0.1)
    assert await harness.wait_for_result(send) == Deferred(error=Error("deadline_exceeded"))
    await harness.dispatch_again(send)
    assert (await harness.wait_for_outcome(send, count=2)).result == await harness.wait_for_result(
        send
    )
    assert await harness.fetch_stanzas("late") == []


async def test_a_repeated_dispatch_gets_the_same_result(harness: SenderHarness) -> None:
    """So does a later dispatch of a message that was sent; there is one message."""
    send = await harness.dispatch("twice", "+60120000006")
    first = await harness.wait_for_outcome(send)
    await harness.dispatch_again(send)
    assert (await harness.wait_for_outcome(send, count=2)).result == first.result
    later = await harness.dispatch("twice", "+60120000006", dispatch_number=2)
    assert await harness.wait_for_result(later) == first.result
    assert len(await harness.fetch_stanzas("twice")) == 1


async def test_dispatches_of_one_message_at_once(harness: SenderHarness) -> None:
    """Three copies and a later dispatch are in the send topic together: one message leaves."""
    send = await harness.dispatch("copies", "+60120000007")
    for _ in range(2):
        await harness.dispatch_again(send)
    later = await harness.dispatch("copies", "+60120000007", dispatch_number=2)
    results = {(await harness.wait_for_outcome(send, count=n)).result for n in (1, 2, 3)}
    assert results == {await harness.wait_for_result(later)}
    assert len(await harness.fetch_stanzas("copies")) == 1


async def test_a_malformed_record_is_skipped(harness: SenderHarness) -> None:
    """It is counted, does not stop the sender, and is not read again; one without a value is a marker."""
    for malformed in (None, b"", b"\xc1", b"{}", b"\x81\xa5phone\xa1x"):
        await harness.produce_raw(malformed)
    send = await harness.dispatch("after the malformed records", "+60120000008")
    assert isinstance(await harness.wait_for_result(send), Sent)
    web = harness.system.workers[0].read_url()
    async with aiohttp.request("GET", f"{web}/metrics") as answer:
        assert "wa_sender_malformed_records_total 4.0" in await answer.text()


async def test_a_message_that_the_server_refuses_may_be_tried_again(harness: SenderHarness) -> None:
    """It is submitted again under the same id, and arrives."""
    fault = {"send_error": 500, "number": "+60120000009", "count": 1}
    await harness.control.post("/faults", fault)
    send = await harness.dispatch("refused", "+60120000009")
    first = await harness.wait_for_outcome(send)
    assert isinstance(first.result, Failed)
    assert first.result.error.code == "server_error"
    later = await harness.dispatch("refused", "+60120000009", dispatch_number=2)
    second = await harness.wait_for_outcome(later)
    assert isinstance(second.result, Sent)
    assert first.whatsapp_id == second.whatsapp_id
    assert await harness.count_shown("refused") == 1


async def test_content_that_whatsapp_web_refuses(harness: SenderHarness) -> None:
    """It fails before anything is sent, and the next one is not held up."""
    send = await harness.dispatch("strange", "+60120000010", content=b'{"type":"smell"}')
    result = await harness.wait_for_result(send)
    assert isinstance(result, Failed)
    assert result.error.code == "content_refused"
    broken = await harness.dispatch("broken", "+60120000010", content=b"{")
    assert isinstance(await harness.wait_for_result(broken), Failed)


async def test_an_ack_that_comes_late(harness: SenderHarness) -> None:
    """The message is in doubt and holds up nothing; after a reconnect its ack proves that it was sent."""
    number = "+60120000011"
    await harness.control.post("/faults", {"ack_lost": True, "number": number})
    send = await harness.dispatch("unacked", number)
    first = await harness.wait_for_result(send)
    assert isinstance(first, Deferred)
    assert first.in_doubt
    other = await harness.dispatch("next", "+60120000012")
    assert isinstance(await harness.wait_for_result(other), Sent)
    await harness.control.clear_faults()
    await harness.control.post("/faults", {"drop_socket": True, "count": 1})
    await wait_until(lambda: "sent" in harness.find_receipts("unacked"))
    later = await harness.dispatch("unacked", number, dispatch_number=2)
    assert isinstance(await harness.wait_for_result(later), Sent)
    assert await harness.count_shown("unacked") == 1


async def test_the_order_of_dispatches_is_the_order_of_arrival(harness: SenderHarness) -> None:
    """Some must be looked up and some not; none overtakes another."""
    names = [f"ordered-{number}" for number in range(40)]
    for number, name in enumerate(names):
        phone = f"+6012100{number % 7:04}"
        chat_id = f"{phone[1:]}@c.us" if number % 3 else None
        send = await harness.dispatch(name, phone, chat_id=chat_id)
    await harness.wait_for_result(send)
    arrived = [row["body"] for row in await harness.control.fetch_log() if row["body"] in names]
    assert arrived == names


async def test_the_account_record(harness: SenderHarness) -> None:
    """It names the phone and the process that sends for it, and counts the messages."""
    send = await harness.dispatch("counted", "+60120000012")
    await harness.wait_for_result(send)
    await wait_until(lambda: harness.read_account_record().get("sent_today"))
    record = await harness.wait_for_state("ready")
    assert record["phone"].startswith("+")
    assert record["owner"].endswith(f":{harness.system.workers[0].process.pid}")
    assert record["sent_last_minute"] <= record["sent_today"]


@pytest.mark.parametrize("own_system", [{"whatsapp_page_heap_mb": 1}], indirect=True)
async def test_a_page_is_reloaded_between_two_messages(own_harness: SenderHarness) -> None:
    """Garbage is collected now and then; this page still holds too much the second time, or a later one."""
    harness, count = own_harness, 5 * GC_EVERY
    program = [sys.executable, "-c", SENDER_WITH_FREQUENT_GC, "sender", "--account", ACCOUNT]
    harness.system.start_program([*program, "--name", "sender-main"], name="sender-main")
    await link_account(harness.caller, harness.control, ACCOUNT)
    sends = [
        await harness.dispatch(
            f"many-{n}",
            f"+601200010{n % 20:02}",
            timeout_s=120.0,
            chat_id=f"601200010{n % 20:02}@c.us",
        )
        for n in range(count)
    ]
    results = {send.id: await harness.wait_for_result(send, timeout_s=120.0) for send in sends}
    shown = Counter(row["body"] for row in await harness.control.fetch_log() if row["shown"])
    sent = {name for name, result in results.items() if isinstance(result, Sent)}
    assert shown == dict.fromkeys(sent, 1)
    assert all(isinstance(result, Sent | Deferred) for result in results.values())
    assert f"many-{count - 1}" in sent
    assert "reconnecting" in harness.read_states()
