"""A dispatcher and a broker that have wall clocks of their own, and a conversation through them.

Like a sender, the test reads the send topic and answers every dispatch at once.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from streams.contract.timestamps import parse_rfc3339
from streams.kafka import admin
from streams.kafka.broker_clock import fetch_broker_time_s
from tests.support.broker import OwnBroker, make_settings
from tests.support.caller import Caller
from tests.support.clock import SteppedClock
from tests.support.dispatching import FakeSender
from tests.support.system import SystemUnderTest, Worker
from tests.support.waiting import wait_until

LIMIT = 5
QUIET_S = 2.0  # for this long nothing more may be dispatched
PROMPT_S = 50.0  # an unaffected message is not later than this, also on a loaded machine
SMALLEST_STEP_S = 30.0  # no clock is stepped by less
HOUR_S, DAY_S = 3600.0, 86_400.0


@dataclass
class Stack:
    """A broker and a dispatcher, each with a wall clock of its own."""

    system: SystemUnderTest
    dispatcher: Worker
    broker_clock: SteppedClock
    dispatcher_clock: SteppedClock


@contextmanager
def run_stack(directory: Path, *, dispatcher_offset_s: float = 0.0) -> Iterator[Stack]:
    """Start both, the dispatcher with a clock that is ahead by this much."""
    broker_clock = SteppedClock(directory / "broker.clock")
    dispatcher_clock = SteppedClock(directory / "dispatcher.clock", dispatcher_offset_s)
    broker = OwnBroker(directory / "broker", port=0)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in broker_clock.environ().items():
            environment.setenv(name, value)
        broker.start(print)
    settings = make_settings(
        broker, directory / "data", rate_limit_per_minute=LIMIT, retry_delay_ms=100
    )
    asyncio.run(admin.create_topics(settings))
    system = SystemUnderTest(settings)
    dispatcher = system.start_worker("dispatch", name="dispatch-1", **dispatcher_clock.environ())
    try:
        yield Stack(system, dispatcher, broker_clock, dispatcher_clock)
    finally:
        system.stop()
        broker.stop()


class Conversation:
    """A caller whose messages a sender sends at once, and what became of them."""

    def __init__(self, stack: Stack, caller: Caller) -> None:
        self.stack = stack
        self.caller = caller
        self.sender = FakeSender(caller)
        self.dispatch_times_s: defaultdict[str, list[float]] = defaultdict(list)
        self._phone_log = caller.follow(caller.names.phone)

    async def start(self) -> None:
        """The account is ready, and sends what it gets."""
        await self.stack.dispatcher.wait_until_ready()
        await self.sender.publish_state("ready")
        await self.sender.skip_existing()
        self.caller.run_in_background(self._answer())

    async def _answer(self) -> None:
        while True:
            command = await self.sender.take_command(3600.0)
            self.dispatch_times_s[command.phone].append(time.monotonic())
            await self.sender.publish_outcome(command)

    async def request(self, phone: str, count: int) -> list[str]:
        """Request so many messages to this recipient; returns their ids."""
        ids = [uuid4().hex for _ in range(count)]
        await self.caller.request(*({"id": id, "to": phone, "text": "hello"} for id in ids))
        return ids

    def count_sent(self, phone: str) -> int:
        """How many messages to this recipient are `sent`."""
        events = self.caller.status_events()
        return sum(event["to"] == phone and event["status"] == "sent" for event in events)

    async def wait_for_sent(self, phone: str, count: int, timeout_s: float = PROMPT_S) -> None:
        """Wait until so many are sent."""
        await wait_until(
            lambda: self.count_sent(phone) >= count,
            timeout_s=timeout_s,
            message=f"{self.count_sent(phone)} sent instead of {count}",
        )

    async def check_prompt(self) -> None:
        """A message to somebody new is sent at once, and its statuses have the broker's time."""
        phone = new_phone()
        await self.request(phone, 1)
        await self.wait_for_sent(phone, 1)
        events = [event for event in self.caller.status_events() if event["to"] == phone]
        now_s = await fetch_broker_time_s(self.stack.system.settings)
        assert all(0 <= now_s - parse_rfc3339(event["at"]) < SMALLEST_STEP_S for event in events)

    async def check_quiet(self, phone: str) -> None:
        """The recipient at its limit gets nothing more, and nothing goes round in a loop."""
        before = len(self._phone_log)
        await asyncio.sleep(QUIET_S)
        assert self.count_sent(phone) == LIMIT
        assert len(self._phone_log) - before < 20 * QUIET_S

    async def read_metric(self, name: str) -> float:
        """A metric without labels of the dispatcher."""
        async with aiohttp.request(
            "GET", f"{self.stack.dispatcher.read_url()}/metrics"
        ) as response:
            lines = (await response.text()).splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    async def fill(self) -> str:
        """A recipient that is at its limit, with as much to come."""
        phone = new_phone()
        await self.request(phone, 2 * LIMIT)
        await self.wait_for_sent(phone, LIMIT)
        return phone


def new_phone() -> str:
    return f"+90555{uuid4().int % 10_000_000:07}"
