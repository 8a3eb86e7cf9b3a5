"""A real sender process with a real browser against the sandbox; the test plays the dispatcher.

The test writes dispatches to the send topic and reads what the sender publishes on the phone log and on
`wa.accounts`. The sandbox's log says what really happened.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.domain.phone import events
from streams.domain.phone.events import Outcome, ReceiptSeen, Result
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand
from streams.kafka import admin
from streams.settings import Settings
from tests.sender.fast import FastSender
from tests.support.broker import KafkaEndpoint, make_settings
from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.sandbox import Sandbox
from tests.support.system import SystemUnderTest
from tests.support.waiting import wait_until
from tests.support.whatsapp import link_account, read_account_record

ACCOUNT = "main"
QUICK_SETTINGS = {"send_interval_ms": 0, "account_rate_per_minute": 0, "ack_timeout_s": 2}


class SenderHarness:
    """Gives an account its dispatches, and reads what became of them."""

    def __init__(self, system: SystemUnderTest, caller: Caller, control: SandboxControl) -> None:
        self.system = system
        self.control = control
        self.caller = caller
        self._phone_log = caller.follow(caller.names.phone)
        self._accounts = caller.follow(caller.names.accounts)

    # -- the send topic

    async def dispatch(
        self,
        request_id: str,
        phone: str,
        *,
        timeout_s: float = 30.0,
        dispatch_number: int = 1,
        **fields: Any,
    ) -> SendCommand:
        """Dispatch a text; the text is the request's id."""
        command = SendCommand(
            **{
                "phone": phone,
                "id": request_id,
                "dispatch_number": dispatch_number,
                "account": ACCOUNT,
                "timeout_s": timeout_s,
                "content": orjson.dumps({"type": "text", "body": request_id}),
                **fields,
            }
        )
        await self.dispatch_again(command)
        return command

    async def dispatch_again(self, send: SendCommand) -> None:
        """Write this dispatch to the send topic as it is."""
        await self.produce_raw(command.encode(send), send.phone)

    async def produce_raw(self, value: bytes | None, key: str = "+60120000000") -> None:
        """Write bytes to the send topic."""
        await self.caller.produce((value, key.encode()), topic=self.caller.names.send(ACCOUNT))

    # -- the phone log

    def read_events(self) -> list[events.Event]:
        """All events so far; those of one phone are in order."""
        return [events.decode(record.value) for record in self._phone_log]

    def find_outcomes(self, request_id: str) -> list[Outcome]:
        """The outcomes of one request."""
        return [e for e in self.read_events() if isinstance(e, Outcome) and e.id == request_id]

    def find_receipts(self, request_id: str) -> list[str]:
        """The receipts of one request."""
        return [
            e.receipt
            for e in self.read_events()
            if isinstance(e, ReceiptSeen) and e.id == request_id
        ]

    async def wait_for_outcome(
        self, command: SendCommand, *, count: int = 1, timeout_s: float = 60.0
    ) -> Outcome:
        """Await the `count`-th outcome of this dispatch."""

        def find() -> list[Outcome]:
            return [
                outcome
                for outcome in self.find_outcomes(command.id)
                if outcome.dispatch_number == command.dispatch_number
            ]

        message = f"{command.id}: there were never {count} outcomes"
        await wait_until(lambda: len(find()) >= count, timeout_s=timeout_s, message=message)
        return find()[count - 1]

    async def wait_for_result(self, command: SendCommand, *, timeout_s: float = 60.0) -> Result:
        """Await the first outcome of this dispatch."""
        return (await self.wait_for_outcome(command, timeout_s=timeout_s)).result

    # -- the account

    def read_states(self) -> list[str]:
        """The states of the account so far, each change once."""
        states = [orjson.loads(record.value)["state"] for record in self._accounts]
        return [s for i, s in enumerate(states) if i == 0 or states[i - 1] != s]

    def read_account_record(self) -> dict[str, Any]:
        """The newest record of the account; empty before the first one."""
        return read_account_record(self.caller, ACCOUNT) or {}

    async def wait_for_state(
        self, state: str, timeout_s: float = 60.0, **fields: Any
    ) -> dict[str, Any]:
        """Await that the newest record has this state and these values."""

        def find_record() -> dict[str, Any] | None:
            record = self.read_account_record()
            return record if {"state": state, **fields}.items() <= record.items() else None

        message = f"the account is never {state} {fields}"
        return await wait_until(find_record, timeout_s=timeout_s, message=message)

    # -- what really happened

    async def fetch_stanzas(self, body: str) -> list[dict[str, Any]]:
        """The messages with this text that arrived at WhatsApp, including those that the phone dropped."""
        return [row for row in await self.control.fetch_log() if row["body"] == body]

    async def count_shown(self, body: str) -> int:
        """How often the phone showed this text."""
        return sum(row["shown"] for row in await self.fetch_stanzas(body))

    async def wait_for_stanza(self, body: str) -> dict[str, Any]:
        """Await that WhatsApp's server has a message with this text."""

        async def find_stanza() -> dict[str, Any] | None:
            rows = await self.fetch_stanzas(body)
            return rows[0] if rows else None

        return await wait_until(find_stanza, message=f"{body} never arrived")


def _make_system(
    broker: KafkaEndpoint, sandbox: Sandbox, folder: Path, **overrides: Any
) -> SystemUnderTest:
    overrides = QUICK_SETTINGS | overrides | {"whatsapp_browser_args": list(sandbox.browser_args)}
    settings = make_settings(broker, folder, accounts=[ACCOUNT], **overrides)
    asyncio.run(admin.create_topics(settings))
    return SystemUnderTest(settings)


@pytest.fixture(scope="module")
def shared_system(
    broker: KafkaEndpoint, sandbox_process: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SystemUnderTest]:
    """A linked sender that the tests of a module share; they must not harm it."""
    yield from _linked_system(broker, sandbox_process, tmp_path_factory.mktemp("sender"))


def _linked_system(
    broker: KafkaEndpoint, sandbox: Sandbox, folder: Path
) -> Iterator[SystemUnderTest]:
    sandbox.reset()
    system = _make_system(broker, sandbox, folder)
    try:
        asyncio.run(_start_linked(system, sandbox))
        yield system
    finally:
        system.stop()


async def _start_linked(system: SystemUnderTest, sandbox: Sandbox) -> None:
    system.start_sender()
    async with Caller(system.settings).open() as caller:
        await link_account(caller, SandboxControl(sandbox.control_url), ACCOUNT)


@pytest.fixture(scope="module")
def crash_system(
    broker: KafkaEndpoint, sandbox_process: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SystemUnderTest]:
    """One for tests that kill senders and browsers, and leave a sender that can become ready."""
    yield from _linked_system(broker, sandbox_process, tmp_path_factory.mktemp("rough"))


@pytest.fixture
async def crash_harness(
    crash_system: SystemUnderTest, sandbox_process: Sandbox
) -> AsyncIterator[SenderHarness]:
    """The harness of `crash_system`: there is one sender, and it is ready."""
    alive = [worker for worker in crash_system.workers if worker.is_alive]
    crash_system.workers = alive or [crash_system.start_sender()]
    await crash_system.workers[0].wait_until_ready()
    async for harness in _open_harness(crash_system, sandbox_process):
        yield harness
        await harness.control.clear_faults()


@pytest.fixture
def own_system(
    broker: KafkaEndpoint, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[SystemUnderTest]:
    """A system without a sender, for one test alone; the parameter holds further settings."""
    system = _make_system(broker, sandbox, tmp_path, **getattr(request, "param", {}))
    yield system
    system.stop()


async def _open_harness(system: SystemUnderTest, sandbox: Sandbox) -> AsyncIterator[SenderHarness]:
    async with Caller(system.settings).open() as caller:
        yield SenderHarness(system, caller, SandboxControl(sandbox.control_url))


@pytest.fixture
async def harness(
    shared_system: SystemUnderTest, sandbox_process: Sandbox
) -> AsyncIterator[SenderHarness]:
    """The harness of the shared sender; the faults of a test end with it."""
    async for harness in _open_harness(shared_system, sandbox_process):
        yield harness
        await harness.control.clear_faults()


@pytest.fixture
async def own_harness(
    own_system: SystemUnderTest, sandbox: Sandbox
) -> AsyncIterator[SenderHarness]:
    """A harness whose senders belong to one test."""
    async for harness in _open_harness(own_system, sandbox):
        yield harness


@pytest.fixture
async def linked_harness(own_harness: SenderHarness) -> SenderHarness:
    """`own_harness` with a sender that is linked and ready."""
    own_harness.system.start_sender()
    await link_account(own_harness.caller, own_harness.control, ACCOUNT)
    return own_harness


def get_settings(harness: SenderHarness) -> Settings:
    """The settings of the harness's system."""
    return harness.system.settings


# -- senders without a process


@asynccontextmanager
async def open_sender(**options: Any) -> AsyncIterator[FastSender]:
    """A sender with these parts. Its session is ready; at the end, none of its tasks has failed."""
    sender = FastSender(**options)
    await sender.open()
    yield sender
    await sender.close()
    assert sender.failures == []


@pytest.fixture
async def sender() -> AsyncIterator[FastSender]:
    """An open sender whose session is ready, and whose account keeps no interval."""
    async with open_sender() as sender:
        yield sender
