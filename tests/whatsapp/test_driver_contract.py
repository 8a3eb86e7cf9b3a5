"""The contract of `Driver`, on the fake in memory and on the real browser against the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from streams.testing.fake_driver import FakeDriver
from streams.whatsapp.driver import (
    Driver,
    InDoubt,
    LookupFailed,
    MessageFound,
    MessageNotFound,
    NotOnWhatsApp,
    NotSubmitted,
    OnWhatsApp,
    Phase,
    Receipt,
    ServerAccepted,
    ServerRefused,
    SessionState,
)
from streams.whatsapp.web.launch import Timeouts
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER,
    PEER_CHAT,
    SandboxControl,
    link,
    make_browser_config,
    make_text,
    wait_for_phase,
)

NOBODY = "+905550009999"


class World(Protocol):
    """A driver that is started and linked, and what WhatsApp does to it."""

    driver: Driver

    async def remove_number(self, phone: str) -> None: ...
    async def refuse_next_submit(self) -> None: ...
    async def lose_next_ack(self) -> None: ...
    async def deliver(self, whatsapp_id: str) -> None: ...
    async def arrived_ids(self) -> list[str]: ...


class FakeWorld:
    """The fake driver plays WhatsApp too."""

    def __init__(self) -> None:
        self.driver = FakeDriver()

    async def remove_number(self, phone: str) -> None:
        self.driver.remove_number(phone)

    async def refuse_next_submit(self) -> None:
        self.driver.refuse_next_submit(500)

    async def lose_next_ack(self) -> None:
        self.driver.lose_next_ack()

    async def deliver(self, whatsapp_id: str) -> None:
        self.driver.emit_receipt(whatsapp_id, "delivered")

    async def arrived_ids(self) -> list[str]:
        return [message.whatsapp_id for message in self.driver.sent]


class RealWorld:
    """A Chromium with wa-js, and the sandbox."""

    def __init__(self, driver: WhatsAppWeb, control: SandboxControl) -> None:
        self.driver = driver
        self.control = control

    async def remove_number(self, phone: str) -> None:
        await self.control.post("/numbers", {phone: {"on_whatsapp": False}})

    async def refuse_next_submit(self) -> None:
        await self.control.post("/faults", {"send_error": 500, "count": 1})

    async def lose_next_ack(self) -> None:
        await self.control.post("/faults", {"ack_lost": True, "count": 1})

    async def deliver(self, whatsapp_id: str) -> None:
        """The sandbox's phones report each message by themselves."""

    async def arrived_ids(self) -> list[str]:
        return await self.control.fetch_new_ids()


@pytest.fixture(
    params=["fake", pytest.param("real", marks=pytest.mark.browser)],
)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each of the two, linked and ready."""
    if request.param == "fake":
        fake = FakeWorld()
        await fake.driver.start()
        yield fake
        await fake.driver.stop()
        return
    sandbox = request.getfixturevalue("sandbox")
    config = make_browser_config(sandbox.browser_args, tmp_path / "main", timeouts=Timeouts())
    control = SandboxControl(sandbox.control_url)
    driver = WhatsAppWeb(config)
    await driver.start()
    await link(driver, control)
    yield RealWorld(driver, control)
    await control.clear_faults()
    await driver.stop()


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
    """A number has a chat, or is not on WhatsApp."""
    await world.remove_number(NOBODY)
    assert await world.driver.look_up(PEER) == OnWhatsApp(PEER_CHAT)
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
    assert result.code == "server_error"
    lookup = await world.driver.find_message("3EB0CC04", PEER_CHAT)
    assert isinstance(lookup, MessageFound)
    assert lookup.ack < 0
    assert isinstance(await world.driver.submit(make_text("3EB0CC04")), ServerAccepted)


async def test_a_lost_ack_is_in_doubt(world: World) -> None:
    """The message waits in the store, and another submit of its id sends nothing."""
    await world.lose_next_ack()
    for deadline_in_s in (10.0, -1.0):
        late = make_text("3EB0CC05", ack_timeout_s=0.3, deadline_in_s=deadline_in_s)
        assert isinstance(await world.driver.submit(late), InDoubt)
        assert await world.driver.find_message("3EB0CC05", PEER_CHAT) == MessageFound(0)
    assert await world.arrived_ids() == ["3EB0CC05"]


async def test_receipts_arrive(world: World) -> None:
    """The recipient's phone reports the message, and its ack grows."""
    assert isinstance(await world.driver.submit(make_text("3EB0CC06")), ServerAccepted)
    await world.deliver("3EB0CC06")
    async with asyncio.timeout(20):
        async for incoming in world.driver.watch_incoming():
            if isinstance(incoming, Receipt) and incoming.whatsapp_id == "3EB0CC06":
                break
    assert incoming.kind == "delivered"
    assert await world.driver.read_acks([("3EB0CC06", PEER_CHAT)]) == {"3EB0CC06": 2}


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
    assert received.result() == []
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
    if isinstance(world.driver, WhatsAppWeb):
        await wait_for_phase(world.driver, Phase.READY)
    assert world.driver.session.link == before.link
    assert isinstance(await world.driver.find_message("3EB0CC09", PEER_CHAT), MessageFound)


async def test_logout_changes_the_link(world: World) -> None:
    """The driver shows a code again, under another link, and submits nothing."""
    before = world.driver.session.link
    await world.driver.logout()
    async with asyncio.timeout(20):
        async for session in world.driver.watch_session():
            if session.qr:
                break
    assert session.phase is Phase.LINKING
    assert session.link != before
    result = await world.driver.submit(make_text("3EB0CC10"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "not_logged_in"
