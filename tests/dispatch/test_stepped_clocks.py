"""A real dispatcher and a real broker whose wall clocks are set while they run, and before they start."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.contract.timestamps import parse_rfc3339
from streams.kafka import admin, connection, topics
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.operations.errors import UsageError
from streams.runtime.exit_codes import ExitCode
from tests.support.broker import OwnBroker, make_settings
from tests.support.caller import Caller
from tests.support.clock import SteppedClock
from tests.support.dispatching import FakeSender
from tests.support.system import SystemUnderTest, Worker
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

LIMIT = 5
QUIET_S = 2.0  # for this long nothing more may be dispatched
PROMPT_S = 5.0  # an unaffected message is not later than this
HOUR_S, DAY_S = 3600.0, 86_400.0


@dataclass
class Stack:
    """A broker and a dispatcher, each with a wall clock of its own."""

    system: SystemUnderTest
    dispatcher: Worker
    broker_clock: SteppedClock
    dispatcher_clock: SteppedClock


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The dispatcher is started with a clock that is ten minutes fast."""
    directory = tmp_path_factory.mktemp("stepped")
    broker_clock = SteppedClock(directory / "broker.clock")
    dispatcher_clock = SteppedClock(directory / "dispatcher.clock", offset_s=600.0)
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
    yield Stack(system, dispatcher, broker_clock, dispatcher_clock)
    system.stop()
    broker.stop()


class Conversation:
    """A caller whose messages a sender sends at once, and what became of them."""

    def __init__(self, stack: Stack, caller: Caller) -> None:
        self.stack = stack
        self.caller = caller
        self.sender = FakeSender(caller)
        self._phone_log = caller.follow(caller.names.phone)

    async def start(self) -> None:
        """The account is ready, and sends what it gets."""
        await self.stack.dispatcher.wait_until_ready()
        await self.sender.publish_state("ready")
        await self.sender.skip_existing()
        self.caller.run_in_background(self._answer())

    async def _answer(self) -> None:
        while True:
            await self.sender.publish_outcome(await self.sender.take_command(3600.0))

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
        assert all(0 <= now_s - parse_rfc3339(event["at"]) < 2 * PROMPT_S for event in events)

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


@pytest.fixture
async def conversation(stack: Stack) -> AsyncIterator[Conversation]:
    async with Caller(stack.system.settings).open() as caller:
        conversation = Conversation(stack, caller)
        await conversation.start()
        yield conversation


def new_phone() -> str:
    return f"+90555{uuid4().int % 10_000_000:07}"


async def fill(conversation: Conversation) -> str:
    """A recipient that is at its limit, with more to come."""
    phone = new_phone()
    await conversation.request(phone, 2 * LIMIT)
    await conversation.wait_for_sent(phone, LIMIT, timeout_s=30.0)
    return phone


async def test_the_clock_of_a_dispatcher_decides_nothing(
    stack: Stack, conversation: Conversation
) -> None:
    """It may be fast at the start, and be set in both directions: the limit holds, and all others are served."""
    phone = await fill(conversation)
    await conversation.check_prompt()
    for offset_s in (630.0, -31.0, -DAY_S, DAY_S, 0.0):
        stack.dispatcher_clock.set(offset_s)
        await conversation.check_quiet(phone)
        await conversation.check_prompt()
    assert await conversation.read_metric("wa_broker_clock_jumps_total") == 0


async def test_a_jump_of_the_brokers_clock_lets_nothing_through(
    stack: Stack, conversation: Conversation
) -> None:
    """An hour ahead and two back: the limit holds, all others are served, and it is counted and logged."""
    phone = await fill(conversation)
    jumps_before = await conversation.read_metric("wa_broker_clock_jumps_total")
    for step_s in (HOUR_S, -2 * HOUR_S):
        stack.broker_clock.step(step_s)
        await conversation.check_quiet(phone)
        await conversation.check_prompt()
        jumps_before += 1
        assert await conversation.read_metric("wa_broker_clock_jumps_total") == jumps_before
    assert stack.dispatcher.log.read_text().count("the broker's clock") == 1, "one line a minute"


async def test_a_topic_that_stamps_no_append_times_is_refused(
    stack: Stack, conversation: Conversation
) -> None:
    """An operator changes one: the dispatcher ends, and one that starts does too; both say what to do."""
    topic = conversation.caller.names.status
    async with connection.admin_client(stack.system.settings) as client:
        config = {topics.TIMESTAMP_TYPE: "CreateTime"}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
    await conversation.request(new_phone(), 1)
    await wait_until(lambda: not stack.dispatcher.is_alive)
    assert stack.dispatcher.process.returncode == ExitCode.TOPIC_MISCONFIGURED
    remedy = f"--topic {topic} --add-config {topics.TIMESTAMP_TYPE}={topics.APPEND_TIME}"
    assert stack.dispatcher.log.read_text().count(remedy) == 1
    restarted = stack.system.start_dispatcher()
    await wait_until(lambda: not restarted.is_alive)
    assert restarted.process.returncode == UsageError.exit_code
    assert restarted.log.read_text().count(remedy) == 2
