"""The driver's contract has two worlds: the fake driver, and a real browser on the sandbox.

All tests of a module share the browser; a test that stops it or logs it out leaves that to the next one to
repair. The tests are in tests/whatsapp/test_driver_contract.py.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest
import pytest_asyncio

from streams.testing.fake_driver import FakeDriver
from streams.whatsapp.driver import (
    Driver,
    LateRefusal,
    Phase,
    Receipt,
    SessionState,
    TimeLock,
)
from streams.whatsapp.web.browser.launch import Timeouts
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import link, make_browser_config, wait_for_phase
from tests.support.incoming import make_incoming
from tests.support.sandbox import Sandbox, SandboxControl
from tests.support.waiting import wait_until


class World(Protocol):
    """A driver that is started and linked, and what WhatsApp does to it."""

    driver: Driver

    async def remove_number(self, phone: str) -> None: ...
    async def refuse_next_submit(self) -> None: ...
    async def lose_next_ack(self) -> None: ...
    async def refuse_next_submit_late(self) -> Callable[[], None]: ...
    async def delay_next_ack(self) -> Callable[[], None]: ...
    async def fail_next_submit(self) -> None: ...
    async def lock_new_chats(self, duration_s: int) -> None: ...
    async def write_to_account(self, phone: str) -> None: ...
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

    async def refuse_next_submit_late(self) -> Callable[[], None]:
        self.driver.lose_next_ack(arrives=False)
        return lambda: self.driver.refuse_pending(463)

    async def delay_next_ack(self) -> Callable[[], None]:
        return self.driver.delay_next_ack().set

    async def fail_next_submit(self) -> None:
        self.driver.fail_next_submit(arrives=False)

    async def lock_new_chats(self, duration_s: int) -> None:
        lock = TimeLock(time.time() + duration_s, "DEFAULT") if duration_s else None
        self.driver.restrict_new_chats(lock)

    async def write_to_account(self, phone: str) -> None:
        self.driver.emit_message(make_incoming("3ACC17", phone=phone))

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

    async def refuse_next_submit_late(self) -> Callable[[], None]:
        await self.control.post("/faults", {"ack_delay_ms": 3000, "send_error": 463, "count": 1})
        return lambda: None

    async def delay_next_ack(self) -> Callable[[], None]:
        await self.control.post("/faults", {"ack_delay_ms": 3000, "count": 1})
        return lambda: None

    async def fail_next_submit(self) -> None:
        await self.control.post("/faults", {"local_error": "before_ack", "count": 1})

    async def lock_new_chats(self, duration_s: int) -> None:
        await self.control.post("/faults", {"time_lock": duration_s})

    async def write_to_account(self, phone: str) -> None:
        account = self.driver.session.phone
        assert account is not None
        whatsapp_id = await self.control.write_to_account(phone, account, "hello")
        confirmed = {"event": "inbound_confirmed", "whatsapp_id": whatsapp_id}

        async def is_confirmed() -> bool:
            events = await self.control.fetch_events()
            return any(confirmed.items() <= event.items() for event in events)

        await wait_until(is_confirmed, message="the page does not have the message")

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


async def wait_for_session(
    world: World, is_expected: Callable[[SessionState], bool]
) -> SessionState:
    """The first state of the session, from now on, that is as expected."""
    async with asyncio.timeout(40):
        async for session in world.driver.watch_session():
            if is_expected(session):
                return session
    raise AssertionError(f"the driver stopped: {world.driver.session.reason}")


async def wait_for_ready(world: World) -> None:
    """The session may need a moment after a start and after a reconnect."""
    await wait_for_session(world, lambda session: session.phase is Phase.READY)


async def wait_for_receipt(world: World, whatsapp_id: str) -> Receipt:
    """The next receipt of this message."""
    async with asyncio.timeout(60):
        async for incoming in world.driver.watch_incoming():
            if isinstance(incoming, Receipt) and incoming.whatsapp_id == whatsapp_id:
                return incoming
    raise AssertionError("the driver stopped")


async def wait_for_late_refusal(world: World) -> LateRefusal:
    """The next report that the server has refused a message whose submit had given up."""
    async with asyncio.timeout(60):
        async for incoming in world.driver.watch_incoming():
            if isinstance(incoming, LateRefusal):
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
