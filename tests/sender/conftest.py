"""A real sender process with a real browser at the sandbox, and a test in the place of the dispatcher.

The test puts releases on the lane and reads what the sender says on the phones' log and on
`wa.accounts`. What really happened is what the sandbox's log says.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.domain.phone import events
from streams.domain.phone.events import ReceiptSeen, Outcome, Result
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand
from streams.kafka import admin
from streams.settings import Settings
from tests.support.broker import Reachable, settings_for
from tests.support.browser import Control
from tests.support.sandbox import Sandbox
from tests.support.system import Caller, System, until
from tests.support.whatsapp import account_record, linked

ACCOUNT = "main"
QUICK = {"send_interval_ms": 0, "account_rate_per_minute": 0, "ack_within_s": 2}


class Office:
    """Who gives an account its releases, and hears what became of them."""

    def __init__(self, system: System, caller: Caller, control: Control) -> None:
        self.system = system
        self.control = control
        self.caller = caller
        self._log = caller.follow(caller.names.phone)
        self._accounts = caller.follow(caller.names.accounts)

    # -- the lane

    async def release(
        self, request_id: str, phone: str, *, within_s: float = 30.0, number: int = 1, **more: Any
    ) -> SendCommand:
        """Put a release of a text on the lane; the text is the request's id."""
        send = SendCommand(
            **{
                "phone": phone,
                "id": request_id,
                "release": number,
                "account": ACCOUNT,
                "deadline_s": time.time() + within_s,
                "content": orjson.dumps({"type": "text", "body": request_id}),
                **more,
            }
        )
        await self.again(send)
        return send

    async def again(self, send: SendCommand) -> None:
        """Put this release on the lane as it is."""
        await self.raw(command.encode(send), send.phone)

    async def raw(self, value: bytes | None, key: str = "+60120000000") -> None:
        """Put bytes on the lane."""
        await self.caller.produce((value, key.encode()), topic=self.caller.names.send(ACCOUNT))

    # -- the phones' log

    def said(self) -> list[events.Event]:
        """Everything so far; of one phone in order."""
        return [events.decode(record.value) for record in self._log]

    def outcomes(self, request_id: str) -> list[Outcome]:
        """Those of one request."""
        return [e for e in self.said() if isinstance(e, Outcome) and e.id == request_id]

    def acks(self, request_id: str) -> list[str]:
        """What its recipient's phone said."""
        return [e.receipt for e in self.said() if isinstance(e, ReceiptSeen) and e.id == request_id]

    async def outcome(self, send: SendCommand, *, count: int = 1, within_s: float = 60.0) -> Outcome:
        """Await the `count`-th outcome of this release."""

        def find() -> list[Outcome]:
            return [each for each in self.outcomes(send.id) if each.dispatch_number == send.dispatch_number]

        why = f"{send.id}: {count} outcomes never came"
        await until(lambda: len(find()) >= count, within_s=within_s, why=why)
        return find()[count - 1]

    async def result(self, send: SendCommand, *, within_s: float = 60.0) -> Result:
        """Await the first outcome of this release."""
        return (await self.outcome(send, within_s=within_s)).result

    # -- the account

    def states(self) -> list[str]:
        """The account's states so far, each change once."""
        found = [orjson.loads(record.value)["state"] for record in self._accounts]
        return [s for i, s in enumerate(found) if i == 0 or found[i - 1] != s]

    def newest(self) -> dict[str, Any]:
        """The account's newest record; empty until it is heard."""
        return account_record(self.caller, ACCOUNT) or {}

    async def state(self, wanted: str, within_s: float = 60.0, **also: Any) -> dict[str, Any]:
        """Await a newest record of this state, and with these values."""

        def there() -> dict[str, Any] | None:
            record = self.newest()
            return record if {"state": wanted, **also}.items() <= record.items() else None

        why = f"the account is never {wanted} {also}"
        return await until(there, within_s=within_s, why=why)

    # -- the judge

    async def stanzas(self, body: str) -> list[dict[str, Any]]:
        """Those with this text that arrived at WhatsApp, also those that the phone dropped."""
        return [row for row in await self.control.log() if row["body"] == body]

    async def shown(self, body: str) -> int:
        """How often the phone showed this text."""
        return sum(row["shown"] for row in await self.stanzas(body))

    async def arrived(self, body: str) -> dict[str, Any]:
        """Await that WhatsApp's server has it."""

        async def look() -> dict[str, Any] | None:
            rows = await self.stanzas(body)
            return rows[0] if rows else None

        return await until(look, why=f"{body} never arrived")


def _system(broker: Reachable, sandbox: Sandbox, folder: Path, **given: Any) -> System:
    given = QUICK | given | {"web_browser_args": list(sandbox.browser_args)}
    settings = settings_for(broker, folder, accounts=[ACCOUNT], **given)
    asyncio.run(admin.create_topics(settings))
    return System(settings)


@pytest.fixture(scope="module")
def shared_system(
    broker: Reachable, sandbox_process: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A linked sender that the tests of a module share: not to be harmed."""
    yield from _linked_system(broker, sandbox_process, tmp_path_factory.mktemp("sender"))


def _linked_system(broker: Reachable, sandbox: Sandbox, folder: Path) -> Iterator[System]:
    sandbox.reset()
    system = _system(broker, sandbox, folder)
    try:
        asyncio.run(_start_linked(system, sandbox))
        yield system
    finally:
        system.end()


async def _start_linked(system: System, sandbox: Sandbox) -> None:
    system.sender()
    async with Caller(system.settings).open() as caller:
        await linked(caller, Control(sandbox.control_url), ACCOUNT)


@pytest.fixture(scope="module")
def rough_system(
    broker: Reachable, sandbox_process: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """The same for tests that kill senders and browsers, and leave one sender that can be ready."""
    yield from _linked_system(broker, sandbox_process, tmp_path_factory.mktemp("rough"))


@pytest.fixture
async def rough_office(rough_system: System, sandbox_process: Sandbox) -> AsyncIterator[Office]:
    """Its office: there is one sender, and it is ready."""
    alive = [worker for worker in rough_system.workers if worker.alive]
    rough_system.workers = alive or [rough_system.sender()]
    await rough_system.workers[0].ready()
    async for office in _office(rough_system, sandbox_process):
        yield office
        await office.control.clear_faults()


@pytest.fixture
def own_system(
    broker: Reachable, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[System]:
    """A world without a sender, to do with as a test likes; its parameter is further settings."""
    system = _system(broker, sandbox, tmp_path, **getattr(request, "param", {}))
    yield system
    system.end()


async def _office(system: System, sandbox: Sandbox) -> AsyncIterator[Office]:
    async with Caller(system.settings).open() as caller:
        yield Office(system, caller, Control(sandbox.control_url))


@pytest.fixture
async def office(shared_system: System, sandbox_process: Sandbox) -> AsyncIterator[Office]:
    """The office of the shared sender; what a test made of the sandbox ends with it."""
    async for office in _office(shared_system, sandbox_process):
        yield office
        await office.control.clear_faults()


@pytest.fixture
async def own_office(own_system: System, sandbox: Sandbox) -> AsyncIterator[Office]:
    """An office whose senders are the test's own."""
    async for office in _office(own_system, sandbox):
        yield office


@pytest.fixture
async def linked_office(own_office: Office) -> Office:
    """The same with a sender that is linked and ready."""
    own_office.system.sender()
    await linked(own_office.caller, own_office.control, ACCOUNT)
    return own_office


def settings_of(office: Office) -> Settings:
    """The settings of the office's world."""
    return office.system.settings
