"""The contract of `Driver`, on the fake in memory and on the real browser against the sandbox.

All tests on the browser share one driver; a test that stops it or logs it out leaves that to the next one
to repair. Each test has its own ids.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import msgspec
import pytest
import pytest_asyncio

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
    link,
    make_browser_config,
    make_text,
    wait_for_phase,
)
from tests.support.sandbox import Sandbox, SandboxControl

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = "+905550009999"


class World(Protocol):
    """A driver that is started and linked, and what WhatsApp does to it."""

    driver: Driver

    async def remove_number(self, phone: str) -> None: ...
    async def refuse_next_submit(self) -> None: ...
    async def lose_next_ack(self) -> None: ...
    async def fail_next_submit(self) -> None: ...
    async def deliver(self, whatsapp_id: str) -> None: ...
    async def arrived_ids(self) -> list[str]: ...


class FakeWorld:
    """The fake driver plays WhatsApp too."""

    def __init__(self) -> None:
        self.driver = FakeDriver()

    async def prepare(self) -> None:
        await self.driver.start()

    async def clear_faults(self) -> None:
        await self.driver.stop()

    async def remove_number(self, phone: str) -> None:
        self.driver.remove_number(phone)

    async def refuse_next_submit(self) -> None:
        self.driver.refuse_next_submit(500)

    async def lose_next_ack(self) -> None:
        self.driver.lose_next_ack()

    async def fail_next_submit(self) -> None:
        self.driver.fail_next_submit(arrives=False)

    async def deliver(self, whatsapp_id: str) -> None:
        self.driver.emit_receipt(whatsapp_id, "delivered")

    async def arrived_ids(self) -> list[str]:
        return [message.whatsapp_id for message in self.driver.sent]


class RealWorld:
    """A Chromium with wa-js, and the sandbox."""

    def __init__(self, driver: WhatsAppWeb, control: SandboxControl) -> None:
        self.driver = driver
        self.control = control

    async def prepare(self) -> None:
        """The session is ready again, whatever the test before did to it."""
        if self.driver.session.phase is Phase.STOPPED:
            await self.driver.start()
        session = await wait_for_phase(self.driver, Phase.READY, Phase.LINKING)
        if session.phase is Phase.LINKING:
            await link(self.driver, self.control)
        await self.control.set_mark()

    async def clear_faults(self) -> None:
        await self.control.clear_faults()

    async def remove_number(self, phone: str) -> None:
        await self.control.post("/numbers", {phone: {"on_whatsapp": False}})

    async def refuse_next_submit(self) -> None:
        await self.control.post("/faults", {"send_error": 500, "count": 1})

    async def lose_next_ack(self) -> None:
        await self.control.post("/faults", {"ack_lost": True, "count": 1})

    async def fail_next_submit(self) -> None:
        await self.control.post("/faults", {"local_error": "before_ack", "count": 1})

    async def deliver(self, whatsapp_id: str) -> None:
        """The sandbox's phones report each message by themselves."""

    async def arrived_ids(self) -> list[str]:
        rows = await self.control.fetch_new_messages()
        return [row["whatsapp_id"] for row in rows if row["shown"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real_world(
    module_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RealWorld]:
    """One driver for the module, which is not started yet."""
    profile = tmp_path_factory.mktemp("profiles") / "main"
    config = make_browser_config(module_sandbox.browser_args, profile, timeouts=Timeouts())
    driver = WhatsAppWeb(config)
    await driver.start()
    yield RealWorld(driver, SandboxControl(module_sandbox.control_url))
    await driver.stop()


async def wait_for_ready(world: World) -> None:
    """The session may need a moment after a start and after a reconnect."""
    async with asyncio.timeout(40):
        async for session in world.driver.watch_session():
            if session.phase is Phase.READY:
                return
    raise AssertionError(f"the driver stopped: {world.driver.session.reason}")


async def wait_for_receipt(world: World, whatsapp_id: str) -> Receipt:
    """The next receipt of this message."""
    async with asyncio.timeout(20):
        async for incoming in world.driver.watch_incoming():
            if isinstance(incoming, Receipt) and incoming.whatsapp_id == whatsapp_id:
                return incoming
    raise AssertionError("the driver stopped")


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.browser)])
def any_world(request: pytest.FixtureRequest) -> FakeWorld | RealWorld:
    """Each of the two. Not async: an async fixture cannot request another one."""
    return FakeWorld() if request.param == "fake" else request.getfixturevalue("real_world")


@pytest_asyncio.fixture(loop_scope="module")
async def world(any_world: FakeWorld | RealWorld) -> AsyncIterator[FakeWorld | RealWorld]:
    """Each of the two, linked and ready."""
    await any_world.prepare()
    yield any_world
    await any_world.clear_faults()


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
    async with asyncio.timeout(20):
        async for session in world.driver.watch_session():
            if session.qr:
                break
    assert session.phase is Phase.LINKING
    assert session.link != before
    result = await world.driver.submit(make_text("3EB0CC10"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "not_logged_in"
