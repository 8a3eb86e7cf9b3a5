"""A real dispatcher process on the session's broker, with a test in the place of the sender.

The test reads the lane and answers on the phones' log, as a sender does, and says of the account what
a sender says; what it answers is its own choice.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.domain.phone import events
from streams.domain.phone.events import ReceiptSeen, Outcome, Result, Sent
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand
from streams.kafka import admin
from tests.support.broker import settings_for
from tests.support.system import Caller, System, until


class Lane:
    """The lane of the account `main`, in a test's hands."""

    def __init__(self, caller: Caller, account_name: str = "main") -> None:
        self._caller = caller
        self._account = account_name
        self._records = caller.follow(caller.names.send(account_name))
        self._taken = 0

    async def is_(self, state: account.AccountState) -> None:
        """Say the account's state on `wa.accounts`."""
        record = AccountRecord(account=self._account, state=state, since=format_rfc3339(time.time()))
        value = account.encode(record)
        await self._caller.produce(
            (value, self._account.encode()), topic=self._caller.names.accounts
        )

    @property
    def waiting(self) -> int:
        """Releases that were not taken yet."""
        return len(self._records) - self._taken

    async def skip(self) -> None:
        """Pass over what is on the lane already: other tests' releases, all answered."""
        end = await self._caller.end_of(self._caller.names.send(self._account))
        await until(lambda: len(self._records) >= end)
        self._taken = end

    def sends(self) -> list[SendCommand]:
        """All releases so far, repeats included."""
        return [command.decode(record.value) for record in self._records]

    async def next(self, within_s: float = 30.0) -> SendCommand:
        """The next release that was not taken yet."""
        await until(lambda: len(self._records) > self._taken, within_s=within_s, why="no release")
        self._taken += 1
        return command.decode(self._records[self._taken - 1].value)

    async def answer(self, send: SendCommand, result: Result | None = None) -> None:
        """The outcome of a release; it was sent unless another is given."""
        outcome = Outcome(
            phone=send.phone,
            id=send.id,
            dispatch_number=send.dispatch_number,
            account=send.account,
            whatsapp_id=f"3EB0{send.id}",
            result=result or Sent(at_s=time.time()),
            chat_id=f"{send.phone[1:]}@c.us",
        )
        await self._log(send.phone, outcome)

    async def acked(self, send: SendCommand, ack: Any) -> None:
        """What the recipient's phone said."""
        event = ReceiptSeen(
            phone=send.phone,
            id=send.id,
            account=send.account,
            whatsapp_id=f"3EB0{send.id}",
            receipt=ack,
            at_s=time.time(),
        )
        await self._log(send.phone, event)

    async def _log(self, phone: str, event: events.Event) -> None:
        value = events.encode(event)
        await self._caller.produce((value, phone.encode()), topic=self._caller.names.phone)


@pytest.fixture(scope="module")
def dispatching(broker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A dispatcher that the tests of a module share: not to be harmed."""
    settings = settings_for(broker, tmp_path_factory.mktemp("dispatching"), retry_delay_ms=100)
    system = asyncio.run(started(settings))
    yield system
    system.end()


@pytest.fixture
def dispatcher(broker: Any, tmp_path: Any) -> Iterator[System]:
    """A dispatcher of its own: to be harmed."""
    system = asyncio.run(started(settings_for(broker, tmp_path, retry_delay_ms=100)))
    yield system
    system.end()


async def started(settings: Any) -> System:
    """A dispatcher with topics of its own; whoever asks ends it."""
    system = System(settings)
    await admin.create_topics(settings)
    await system.dispatcher().ready()
    return system
