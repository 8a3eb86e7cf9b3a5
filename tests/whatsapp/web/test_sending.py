"""Sending in a real Chromium with the real wa-js: one linked driver, shared by all tests of this file.

Nothing here harms it, and every test has ids of its own.
"""

import asyncio
import base64
import hashlib
import math
import time

import pytest

from streams.whatsapp.driver import (
    IncomingMessage,
    InDoubt,
    LookupFailed,
    MessageFound,
    MessageNotFound,
    NotOnWhatsApp,
    NotSubmitted,
    OnWhatsApp,
    Receipt,
    ServerAccepted,
    ServerRefused,
)
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER,
    PEER_CHAT,
    SandboxControl,
    make_message,
    make_text,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
    )
).decode()


async def test_looks_up(shared_driver: WhatsAppWeb, shared_control: SandboxControl) -> None:
    """Yes with a chat id, no, and no answer are three answers."""
    nobody = "+905550009999"
    await shared_control.set_numbers({nobody: {"on_whatsapp": False}})
    assert await shared_driver.look_up(PEER) == OnWhatsApp(PEER_CHAT)
    assert await shared_driver.look_up(nobody) == NotOnWhatsApp()
    await shared_control.add_faults({"lookup_error": True})
    assert isinstance(await shared_driver.look_up(PEER), LookupFailed)
    assert isinstance(await shared_driver.look_up("+905550008888"), LookupFailed)


async def test_submits_under_the_chosen_id(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Acked after the server has exactly that id, and found by it."""
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
    found = await shared_driver.find_message("3EB0C767D82B0A0C1E2F01", PEER_CHAT)
    assert isinstance(found, MessageFound)
    assert found.ack >= 1
    assert (
        await shared_driver.find_message("3EB0C767D82B0A0C1E2F02", PEER_CHAT) == MessageNotFound()
    )


async def test_an_id_that_the_server_has_is_not_sent_again(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The second submit of one id is answered from the page's store."""
    assert isinstance(await shared_driver.submit(make_text("3EB0AA01")), ServerAccepted)
    assert isinstance(await shared_driver.submit(make_text("3EB0AA01")), ServerAccepted)
    assert await shared_control.fetch_new_ids() == ["3EB0AA01"]


async def test_two_submits_of_one_id_at_once_send_one(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The second does not know the outcome of the first, and says so."""
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
    """The page looks at the clock itself, and nothing arrives later either."""
    result = await shared_driver.submit(make_text("3EB0AA03", deadline_in_s=-0.01))
    assert isinstance(result, NotSubmitted)
    assert result.code == "timeout_before_submit"
    assert isinstance(await shared_driver.submit(make_text("3EB0AA04")), ServerAccepted)
    assert await shared_control.fetch_new_ids() == ["3EB0AA04"]


async def test_a_chat_that_opens_too_late_is_not_written_to(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The deadline passes while WhatsApp is asked for a new chat: the straggler stops at the gate."""
    await shared_control.add_faults({"lookup_error": True})
    began_s = time.monotonic()
    late = make_text("3EB0AA05", chat_id="905557778899@c.us", deadline_in_s=0.3)
    result = await shared_driver.submit(late)
    assert isinstance(result, NotSubmitted)
    assert result.code in {"timeout_before_submit", "lookup_failed"}
    assert time.monotonic() - began_s < 2.0
    await shared_control.clear_faults()
    assert isinstance(await shared_driver.submit(make_text("3EB0AA06")), ServerAccepted)
    assert await shared_control.fetch_new_ids() == ["3EB0AA06"]


async def test_a_lost_ack_is_uncertain(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The server has it and says nothing: not acked, not failed, and in the store without an ack."""
    await shared_control.add_faults({"ack_lost": True}, count=1)
    result = await shared_driver.submit(make_text("3EB0AA07", ack_timeout_s=0.3))
    assert isinstance(result, InDoubt)
    assert await shared_driver.find_message("3EB0AA07", PEER_CHAT) == MessageFound(0)
    assert await shared_control.fetch_new_ids() == ["3EB0AA07"]
    again = await shared_driver.submit(make_text("3EB0AA07", ack_timeout_s=0.3))
    assert isinstance(again, InDoubt)
    assert await shared_control.fetch_new_ids() == ["3EB0AA07"]


async def test_what_waits_in_the_outbox_is_not_called_unsent(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Also after the deadline: it may leave at any time, so "not submitted" would be a lie."""
    await shared_control.add_faults({"ack_lost": True}, count=1)
    assert isinstance(await shared_driver.submit(make_text("3EB0AA20", ack_timeout_s=0.1)), InDoubt)
    late = await shared_driver.submit(make_text("3EB0AA20", deadline_in_s=-5.0, ack_timeout_s=0.1))
    assert isinstance(late, InDoubt)


async def test_a_deadline_far_away(shared_driver: WhatsAppWeb) -> None:
    """Longer than a timer of the page can be."""
    for before_s in (1e8, math.inf):
        submission = make_text(f"3EB0AA21{before_s}", deadline_in_s=before_s, ack_timeout_s=1e8)
        assert isinstance(await shared_driver.submit(submission), ServerAccepted)


async def test_an_error_of_the_server_is_refused(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Failed in the store, and the same id can be submitted anew."""
    await shared_control.add_faults({"send_error": 500}, count=1)
    result = await shared_driver.submit(make_text("3EB0AA08"))
    assert isinstance(result, ServerRefused)
    assert result.code == "server_error"
    found = await shared_driver.find_message("3EB0AA08", PEER_CHAT)
    assert isinstance(found, MessageFound)
    assert found.ack < 0
    assert isinstance(await shared_driver.submit(make_text("3EB0AA08")), ServerAccepted)


async def test_the_reach_out_time_lock_has_its_own_code(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """463 must never be taken for an error that is worth another try."""
    await shared_control.add_faults({"send_error": 463}, count=1)
    result = await shared_driver.submit(make_text("3EB0AA09"))
    assert isinstance(result, ServerRefused)
    assert result.code == "reachout_timelocked"


async def test_a_reply_names_a_message_of_the_chat(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """An id that is not there is refused before anything is sent."""
    assert isinstance(await shared_driver.submit(make_text("3EB0AA10")), ServerAccepted)
    assert isinstance(
        await shared_driver.submit(make_text("3EB0AA11", reply_to="3EB0AA10")), ServerAccepted
    )
    result = await shared_driver.submit(make_text("3EB0AA12", reply_to="3EB0NONE"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "content_refused"
    assert await shared_control.fetch_new_ids() == ["3EB0AA10", "3EB0AA11"]


@pytest.mark.parametrize(
    "content",
    [
        {"type": "location", "latitude": 41.01, "longitude": 28.98, "name": "Galata"},
        {"type": "contact", "name": "Ali, Veli", "phones": ["+90 555 111 22 44"]},
        {"type": "poll", "question": "When?", "options": ["now", "later"], "multiple": True},
        {"type": "image", "data": PIXEL, "mime": "image/png", "caption": "a dot"},
        {"type": "document", "data": PIXEL, "mime": "image/png", "filename": "dot.png"},
    ],
    ids=lambda content: content["type"],
)
async def test_other_contents_have_the_chosen_id(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, content: dict[str, object]
) -> None:
    """Each kind is acked, once, under its id."""
    whatsapp_id = f"3EB0AA13{content['type']}"
    assert isinstance(
        await shared_driver.submit(make_message(whatsapp_id, content)), ServerAccepted
    )
    (row,) = await shared_control.fetch_new_messages()
    assert (row["whatsapp_id"], row["type"]) == (whatsapp_id, content["type"])
    assert isinstance(await shared_driver.find_message(whatsapp_id, PEER_CHAT), MessageFound)


async def test_a_large_file_goes_over_whole(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """In many pieces through a driver with a small heap; the server gets each byte."""
    size = 12 * 1024 * 1024 + 1
    data = base64.b64encode(bytes(size)).decode()
    content: dict[str, object] = {"type": "document", "data": data, "filename": "zeros.bin"}
    result = await shared_driver.submit(make_message("3EB0AA14", content, deadline_in_s=30))
    assert isinstance(result, ServerAccepted)
    (row,) = await shared_control.fetch_new_messages()
    assert row["more"]["size"] == size
    assert row["more"]["filehash"] == hashlib.sha256(bytes(size)).hexdigest()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"type": "image"}, "media_fetch_failed"),
        ({"type": "image", "data": "no base64!"}, "media_rejected"),
        ({"type": "hologram"}, "content_refused"),
    ],
)
async def test_bad_content_is_not_submitted(
    shared_driver: WhatsAppWeb,
    shared_control: SandboxControl,
    content: dict[str, object],
    code: str,
) -> None:
    """Nothing arrives, and the code says whose fault it is."""
    result = await shared_driver.submit(make_message("3EB0AA15", content))
    assert isinstance(result, NotSubmitted)
    assert result.code == code
    assert await shared_control.fetch_new_ids() == []


async def test_receipts_and_inbound_come_back(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Delivered, read, and what somebody writes to us, with their numbers."""
    assert isinstance(await shared_driver.submit(make_text("3EB0AA16")), ServerAccepted)
    heard: list[Receipt | IncomingMessage] = []
    async with asyncio.timeout(10):
        async for one in shared_driver.watch_incoming():
            if isinstance(one, IncomingMessage):
                heard.append(one)
                break
            if one.whatsapp_id != "3EB0AA16":
                continue
            heard.append(one)
            if one.kind == "delivered":
                await shared_control.read_messages(PEER, shared_driver.session.phone)
            if one.kind == "read":
                inbound = {"from": PEER, "to": shared_driver.session.phone, "body": "thanks"}
                await shared_control.post("/inbound", inbound)
    names = {one.kind for one in heard if isinstance(one, Receipt)}
    assert names == {"delivered", "read"}
    received = heard[-1]
    assert isinstance(received, IncomingMessage)
    assert (received.from_, received.type, received.body) == (PEER, "text", "thanks")
    assert abs(received.at_s - time.time()) < 60


async def test_garbage_is_collected_in_a_page_that_goes_on(shared_driver: WhatsAppWeb) -> None:
    """The page works as before."""
    assert not await shared_driver.collect_garbage()
    assert isinstance(await shared_driver.submit(make_text("3EB0AA19")), ServerAccepted)
