"""A real dispatcher process on the session's broker, with a test in the place of the sender.

Like a sender, the test reads the send topic, publishes outcomes on the phone log, and publishes the account's
state. It chooses the outcomes itself.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from streams.contract import account
from streams.contract.account import HEARTBEAT_INTERVAL_S, AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.domain.phone import events
from streams.domain.phone.events import Outcome, ReceiptSeen, Result, Sent
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand
from streams.kafka import admin
from tests.support.broker import make_settings
from tests.support.caller import Caller
from tests.support.system import SystemUnderTest
from tests.support.waiting import wait_until


class FakeSender:
    """The sender of the account `main`, played by a test."""

    def __init__(self, caller: Caller, account_name: str = "main") -> None:
        self._caller = caller
        self._account = account_name
        self._records = caller.follow(caller.names.send(account_name))
        self._next_index = 0
        self._heartbeat: bytes | None = None

    async def publish_state(self, state: account.AccountState) -> None:
        """Publish the account's state on `wa.accounts`, and repeat it as heartbeats until the caller is closed."""
        record = AccountRecord(
            account=self._account, state=state, since=format_rfc3339(time.time())
        )
        is_first, self._heartbeat = self._heartbeat is None, account.encode(record)
        await self._publish_heartbeat()
        if is_first:
            self._caller.run_in_background(self._repeat_heartbeats())

    async def _repeat_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)
            await self._publish_heartbeat()

    async def _publish_heartbeat(self) -> None:
        await self._caller.produce(
            (self._heartbeat, self._account.encode()), topic=self._caller.names.accounts
        )

    @property
    def pending_count(self) -> int:
        """The number of dispatches that were not taken yet."""
        return len(self._records) - self._next_index

    async def skip_existing(self) -> None:
        """Skip what is on the send topic already: dispatches of other tests, which have their outcomes."""
        end = await self._caller.fetch_end_offset(self._caller.names.send(self._account))
        await wait_until(lambda: len(self._records) >= end)
        self._next_index = end

    def read_commands(self) -> list[SendCommand]:
        """All dispatches so far, repeats included."""
        return [command.decode(record.value, record.timestamp / 1000) for record in self._records]

    async def take_command(self, timeout_s: float = 30.0) -> SendCommand:
        """The next dispatch that was not taken yet."""
        await wait_until(
            lambda: len(self._records) > self._next_index,
            timeout_s=timeout_s,
            message="no dispatch",
        )
        self._next_index += 1
        record = self._records[self._next_index - 1]
        return command.decode(record.value, record.timestamp / 1000)

    async def publish_outcome(self, command: SendCommand, result: Result | None = None) -> None:
        """Publish the outcome of a dispatch: `Sent`, unless another result is given."""
        outcome = Outcome(
            phone=command.phone,
            id=command.id,
            dispatch_number=command.dispatch_number,
            account=command.account,
            whatsapp_id=f"3EB0{command.id}",
            result=result or Sent(at_s=time.time()),
            chat_id=f"{command.phone[1:]}@c.us",
        )
        await self._publish_event(command.phone, outcome)

    async def publish_receipt(self, command: SendCommand, ack: Any) -> None:
        """Publish a receipt of the recipient's phone."""
        event = ReceiptSeen(
            phone=command.phone,
            id=command.id,
            account=command.account,
            whatsapp_id=f"3EB0{command.id}",
            receipt=ack,
            at_s=time.time(),
        )
        await self._publish_event(command.phone, event)

    async def _publish_event(self, phone: str, event: events.Event) -> None:
        value = events.encode(event)
        await self._caller.produce((value, phone.encode()), topic=self._caller.names.phone)


def _quiet_hours_around_now() -> str:
    """Two hours before and after now, by the wall clock of the Turkish numbers of the tests."""
    now = datetime.now(timezone(timedelta(hours=3)))
    two_hours = timedelta(hours=2)
    return f"{now - two_hours:%H:%M}-{now + two_hours:%H:%M}"


@pytest.fixture(scope="module")
def dispatching(broker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemUnderTest]:
    """A dispatcher that the tests of a module share, and must not harm."""
    settings = make_settings(
        broker,
        tmp_path_factory.mktemp("dispatching"),
        retry_delay_ms=100,
        quiet_hours=_quiet_hours_around_now(),
    )
    system = asyncio.run(start_dispatcher(settings))
    yield system
    system.stop()


@pytest.fixture
def dispatcher(broker: Any, tmp_path: Any) -> Iterator[SystemUnderTest]:
    """A dispatcher of its own, which the test may harm."""
    system = asyncio.run(start_dispatcher(make_settings(broker, tmp_path, retry_delay_ms=100)))
    yield system
    system.stop()


async def start_dispatcher(settings: Any) -> SystemUnderTest:
    """Start a dispatcher with topics of its own; the caller stops it."""
    system = SystemUnderTest(settings)
    await admin.create_topics(settings)
    await system.start_dispatcher().wait_until_ready()
    return system
