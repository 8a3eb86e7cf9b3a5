"""The contract of `Driver`, on the fake in memory and on the real browser against the sandbox.

The two worlds and the fixture `world` are in tests/support/pages/driver_worlds.py. Each test has its own ids.
"""

import asyncio
from dataclasses import replace

import msgspec
import pytest

from streams.testing.fake_whatsapp import chat_of
from streams.whatsapp.driver import (
    InDoubt,
    LateRefusal,
    LookupFailed,
    MessageFound,
    MessageNotFound,
    NotOnWhatsApp,
    NotSubmitted,
    OnWhatsApp,
    Phase,
    ServerAccepted,
    ServerRefused,
    SessionState,
)
from tests.support.browser import PEER, PEER_CHAT, make_text
from tests.support.pages.driver_worlds import (
    World,
    wait_for_late_refusal,
    wait_for_ready,
    wait_for_receipt,
    wait_for_session,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = "+905550009999"
STRANGER = "+905557770001"
NEW_PERSON = "+905557770002"


async def test_the_session_is_ready(world: World) -> None:
    """A watcher gets the state of now first; it names the phone and the link. The diagnosis has its phase."""
    session = await anext(world.driver.watch_session())
    assert session == world.driver.session
    assert session.phase is Phase.READY
    assert session.phone is not None
    assert session.phone.startswith("+")
    assert session.link is not None
    diagnosis = await world.driver.diagnose()
    assert (diagnosis.phase, diagnosis.degraded) == ("ready", session.degraded)
    assert session.phone[1:] not in msgspec.json.encode(diagnosis).decode()


async def test_look_up(world: World) -> None:
    """A number has a chat, in which a message arrives, or is not on WhatsApp."""
    await world.remove_number(NOBODY)
    lookup = await world.driver.look_up(PEER)
    assert isinstance(lookup, OnWhatsApp)
    assert lookup.phone == PEER
    assert isinstance(
        await world.driver.submit(make_text("3EB0CC14", chat_id=lookup.chat_id)), ServerAccepted
    )
    assert await world.driver.look_up(NOBODY) == NotOnWhatsApp()


async def test_a_submit_and_its_message(world: World) -> None:
    """It is accepted, found with its ack, and is one message however often its id is submitted."""
    for _ in range(2):
        assert isinstance(await world.driver.submit(make_text("3EB0CC01")), ServerAccepted)
    lookup = await world.driver.find_message("3EB0CC01", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack >= 1
    acks = await world.driver.read_acks([("3EB0CC01", PEER_CHAT), ("3EB0CC02", PEER_CHAT)])
    assert set(acks) == {"3EB0CC01"}
    assert acks["3EB0CC01"] >= 1
    assert await world.driver.find_message("3EB0CC02", PEER_CHAT) == MessageNotFound()
    assert await world.arrived_ids() == ["3EB0CC01"]


async def test_nothing_leaves_after_the_deadline(world: World) -> None:
    """It is certainly not submitted, and is not in the store."""
    result = await world.driver.submit(make_text("3EB0CC03", deadline_in_s=-0.01))
    assert isinstance(result, NotSubmitted)
    assert result.code == "timeout_before_submit"
    assert await world.driver.find_message("3EB0CC03", PEER_CHAT) == MessageNotFound()
    assert await world.arrived_ids() == []


async def test_a_refusal_by_the_server(world: World) -> None:
    """The message failed in the store, and can be submitted again under its id."""
    await world.refuse_next_submit()
    result = await world.driver.submit(make_text("3EB0CC04"))
    assert isinstance(result, ServerRefused)
    assert result.server_code == 500
    lookup = await world.driver.find_message("3EB0CC04", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack < 0
    assert isinstance(await world.driver.submit(make_text("3EB0CC04")), ServerAccepted)


async def test_a_lost_ack_is_in_doubt(world: World) -> None:
    """The message is pending, and another submit of its id sends nothing, also after its deadline."""
    await world.lose_next_ack()
    for deadline_in_s in (10.0, -1.0):
        late = make_text("3EB0CC05", ack_timeout_s=0.3, deadline_in_s=deadline_in_s)
        assert isinstance(await world.driver.submit(late), InDoubt)
        assert await world.driver.find_message("3EB0CC05", PEER_CHAT) == MessageFound(
            0, is_pending=True
        )
    assert await world.arrived_ids() == ["3EB0CC05"]


async def test_a_late_refusal_is_reported_and_found_once(world: World) -> None:
    """It comes after the submit has given up. The message can be submitted again under its id.

    What a submit itself reports is not reported in this way.
    """
    await world.refuse_next_submit()
    assert isinstance(await world.driver.submit(make_text("3EB0CC1E")), ServerRefused)
    refuse = await world.refuse_next_submit_late()
    late = asyncio.create_task(world.driver.submit(make_text("3EB0CC1F", ack_timeout_s=0.3)))
    assert isinstance(await late, InDoubt)
    refuse()
    assert await wait_for_late_refusal(world) == LateRefusal("3EB0CC1F", 463)

    async def find_failed() -> MessageFound | None:
        found = await world.driver.find_message("3EB0CC1F", PEER_CHAT)
        return found if isinstance(found, MessageFound) and found.ack < 0 else None

    assert await wait_until(find_failed) == MessageFound(-1, server_code=463)
    assert await find_failed() == MessageFound(-1)
    assert isinstance(await world.driver.submit(make_text("3EB0CC1F")), ServerAccepted)
    assert await world.arrived_ids() == ["3EB0CC1F"]


async def test_a_refusal_that_an_earlier_page_got_is_found_once(world: World) -> None:
    """Nobody has read it before the page was replaced. Of all that it left, one look-up says so."""
    for number in range(2):
        refuse = await world.refuse_next_submit_late()
        late = world.driver.submit(make_text(f"3EB0CC2{number}", ack_timeout_s=0.3))
        assert isinstance(await late, InDoubt)
        refuse()

        async def is_refused(whatsapp_id: str = f"3EB0CC2{number}") -> bool:
            return (await world.driver.read_acks([(whatsapp_id, PEER_CHAT)]))[whatsapp_id] < 0

        await wait_until(is_refused)
    await world.driver.stop()
    await world.driver.start()
    await wait_for_ready(world)
    assert await world.driver.find_message("3EB0CC20", PEER_CHAT) == MessageFound(-1, server_code=0)
    assert await world.driver.find_message("3EB0CC20", PEER_CHAT) == MessageFound(-1)
    assert await world.driver.find_message("3EB0CC21", PEER_CHAT) == MessageFound(-1)
    assert isinstance(await world.driver.submit(make_text("3EB0CC21")), ServerAccepted)
    assert await world.driver.find_message("3EB0CC21", PEER_CHAT) == MessageFound(1)


async def test_a_reconnect_sends_what_is_pending(world: World) -> None:
    """The late ack comes as a receipt, once, and the phone shows the message once."""
    await world.lose_next_ack()
    assert isinstance(await world.driver.submit(make_text("3EB0CC11", ack_timeout_s=0.3)), InDoubt)
    await world.driver.reconnect()
    receipt = await wait_for_receipt(world, "3EB0CC11")
    assert receipt.kind == "sent"
    await wait_for_ready(world)
    lookup = await world.driver.find_message("3EB0CC11", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack >= 1
    assert not lookup.is_pending
    assert await world.arrived_ids() == ["3EB0CC11"]


async def test_what_an_earlier_page_left_is_sent_again(world: World) -> None:
    """It is not pending, nothing sends it, and a submit sends the stored message under its id."""
    await world.lose_next_ack()
    assert isinstance(await world.driver.submit(make_text("3EB0CC12", ack_timeout_s=0.3)), InDoubt)
    await world.driver.stop()
    await world.driver.start()
    await wait_for_ready(world)
    assert await world.driver.find_message("3EB0CC12", PEER_CHAT) == MessageFound(0)
    late = await world.driver.submit(make_text("3EB0CC12", deadline_in_s=-1.0))
    assert isinstance(late, InDoubt)
    assert isinstance(await world.driver.submit(make_text("3EB0CC12")), ServerAccepted)
    assert await world.arrived_ids() == ["3EB0CC12"]


async def test_a_message_that_failed_in_the_page_is_sent_again(world: World) -> None:
    """An error of the page is not the server's: the attempt is in doubt, and the next one sends it again."""
    await world.fail_next_submit()
    assert isinstance(await world.driver.submit(make_text("3EB0CC13")), InDoubt)
    lookup = await world.driver.find_message("3EB0CC13", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack <= 0
    assert not lookup.is_pending
    assert isinstance(await world.driver.submit(make_text("3EB0CC13")), ServerAccepted)
    assert await world.arrived_ids() == ["3EB0CC13"]


async def test_a_time_lock_allows_old_chats_alone(world: World) -> None:
    """A message to a stranger is refused until the lock ends; one to somebody who has written is not."""
    await world.lock_new_chats(60)
    session = await wait_for_session(world, lambda session: session.time_lock is not None)
    assert session.time_lock is not None
    stranger = make_text("3EB0CC15", chat_id=chat_of(STRANGER))
    result = await world.driver.submit(stranger)
    assert isinstance(result, NotSubmitted)
    assert result.code == "new_chats_restricted"
    assert result.until_s == session.time_lock.until_s
    await world.write_to_account(STRANGER)
    assert isinstance(await world.driver.submit(stranger), ServerAccepted)
    await world.lock_new_chats(0)
    await wait_for_session(world, lambda session: session.time_lock is None)


async def test_a_new_chat_that_the_caller_does_not_allow(world: World) -> None:
    """The page knows whether the person has written to the account."""
    message = make_text("3EB0CC16", chat_id=chat_of(NEW_PERSON))
    result = await world.driver.submit(replace(message, is_new_chat_allowed=False))
    assert isinstance(result, NotSubmitted)
    assert result.code == "new_chats_restricted"
    assert isinstance(await world.driver.submit(message), ServerAccepted)


async def test_receipts_arrive(world: World) -> None:
    """The recipient's phone reports the message, and its ack grows."""
    assert isinstance(await world.driver.submit(make_text("3EB0CC06")), ServerAccepted)
    await world.deliver("3EB0CC06")
    receipt = await wait_for_receipt(world, "3EB0CC06")
    assert receipt.kind == "delivered"
    assert await world.driver.read_acks([("3EB0CC06", PEER_CHAT)]) == {"3EB0CC06": 2}
    counts = world.driver.ack_counts
    assert counts.heard >= 1
    assert counts.read >= 1


async def test_garbage_is_collected_between_two_messages(world: World) -> None:
    """A page that is small enough goes on."""
    assert await world.driver.collect_garbage() is False
    assert isinstance(await world.driver.submit(make_text("3EB0CC07")), ServerAccepted)


async def test_stop_ends_the_streams(world: World) -> None:
    """The last state is STOPPED, both streams end, nothing is answered, and a second stop is harmless."""

    async def watch() -> list[SessionState]:
        return [session async for session in world.driver.watch_session()]

    async def receive() -> list[object]:
        return [incoming async for incoming in world.driver.watch_incoming()]

    async with asyncio.TaskGroup() as group:
        sessions, received = group.create_task(watch()), group.create_task(receive())
        await asyncio.sleep(0)
        await world.driver.stop()
        await world.driver.stop()
    assert [session.phase for session in sessions.result()] == [Phase.READY, Phase.STOPPED]
    assert "3EB0CC08" not in str(received.result())  # receipts of the tests before may have come
    assert world.driver.session.phase is Phase.STOPPED
    assert isinstance(await world.driver.submit(make_text("3EB0CC08")), NotSubmitted)
    assert isinstance(await world.driver.find_message("3EB0CC08", PEER_CHAT), LookupFailed)
    assert isinstance(await world.driver.look_up(PEER), LookupFailed)
    assert await world.driver.read_acks([("3EB0CC08", PEER_CHAT)]) == {}
    diagnosis = await world.driver.diagnose()
    assert (diagnosis.phase, diagnosis.page) == ("stopped", None)


async def test_it_starts_again_after_a_stop(world: World) -> None:
    """The account is still linked, under the same link, and its messages are in the store."""
    assert isinstance(await world.driver.submit(make_text("3EB0CC09")), ServerAccepted)
    before = world.driver.session
    await world.driver.stop()
    await world.driver.start()
    await wait_for_ready(world)
    assert world.driver.session.link == before.link
    assert isinstance(await world.driver.find_message("3EB0CC09", PEER_CHAT), MessageFound)


async def test_logout_changes_the_link(world: World) -> None:
    """The driver shows a code again, under another link, and submits nothing."""
    before = world.driver.session.link
    await world.driver.logout()
    session = world.driver.session
    async with asyncio.timeout(60):
        async for session in world.driver.watch_session():
            if session.qr:
                break
    assert session.phase is Phase.LINKING
    assert session.link != before
    result = await world.driver.submit(make_text("3EB0CC10"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "not_logged_in"
