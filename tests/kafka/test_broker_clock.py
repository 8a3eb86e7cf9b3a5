"""The broker's clock, measured on the real broker."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import RecordMetadata

from streams.kafka import admin, connection, topics
from streams.kafka.admin import InvalidTopics
from streams.kafka.broker_clock import BrokerClock, fetch_broker_time_s
from streams.kafka.connection import KafkaUnreachable
from streams.settings import Settings
from tests.support.broker import OwnBroker, make_settings
from tests.support.clock import SteppedClock

pytestmark = pytest.mark.broker


class Prober:
    """Creates clocks that publish with one producer, and records their jumps."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self.settings = settings
        self.producer = producer
        self.jumps: list[float] = []

    async def publish(self, value: bytes) -> RecordMetadata:
        """Publish one probe."""
        topic = topics.names(self.settings).clock
        return await self.producer.send_and_wait(topic, value, partition=0)

    def create_clock(self) -> BrokerClock:
        """A clock that is not started."""
        return BrokerClock(self.settings, self.publish, on_jump=self.jumps.append)


@pytest.fixture
async def prober(settings: Settings) -> AsyncIterator[Prober]:
    await admin.create_topics(settings)
    async with AIOKafkaProducer(**connection.producer_options(settings)) as producer:
        yield Prober(settings, producer)


async def test_the_start_measures_the_time(prober: Prober) -> None:
    """The estimate is right before anything else is produced; the tests' broker has this host's clock."""
    clock = prober.create_clock()
    await clock.start()
    assert abs(clock.now_s() - time.time()) < 0.5
    assert clock.passed_s() <= time.time()
    now_s = time.time()
    assert clock.accept_s(now_s) == now_s
    assert abs(await fetch_broker_time_s(prober.settings) - time.time()) < 0.5


async def test_a_jump_is_noticed_across_a_restart(prober: Prober) -> None:
    """The last probe of this host holds what its process had observed."""
    first = prober.create_clock()
    await first.start()
    second = prober.create_clock()
    await first._probe()
    await second.start()
    assert prober.jumps == []
    value = msgspec.json.decode(first._encode_probe())
    earlier = {"low_s": value["low_s"] - 3600, "high_s": value["high_s"] - 3600}
    await prober.publish(msgspec.json.encode(value | earlier))
    third = prober.create_clock()
    await third.start()
    assert len(prober.jumps) == 1
    assert abs(prober.jumps[0] - 3600) < 1
    assert third.accept_s(time.time()) < time.time() - 3590


async def test_probes_of_others_are_ignored(prober: Prober) -> None:
    """Another host's monotonic clock, and bytes that are not a probe, mean nothing here."""
    first = prober.create_clock()
    await first.start()
    value = msgspec.json.decode(first._encode_probe())
    await prober.publish(
        msgspec.json.encode(value | {"boot_id": "another", "low_s": 0, "high_s": 0})
    )
    await prober.publish(b"\xff not a probe")
    await prober.create_clock().start()
    assert prober.jumps == []


async def test_a_topic_without_append_times_is_refused(prober: Prober) -> None:
    """The error names the topic and the command that corrects it; `topics check` reports it too."""
    topic = topics.names(prober.settings).clock
    async with connection.admin_client(prober.settings) as client:
        resource = ConfigResource(
            ConfigResourceType.TOPIC, topic, {topics.TIMESTAMP_TYPE: "CreateTime"}
        )
        await client.alter_configs([resource])
    with pytest.raises(InvalidTopics, match=f"{topic}.*message.timestamp.type=LogAppendTime"):
        await prober.create_clock().start()
    with pytest.raises(InvalidTopics):
        await fetch_broker_time_s(prober.settings)
    [problem] = await admin.check_topics(prober.settings, {topic})
    assert problem.actual == "message.timestamp.type=CreateTime"


async def test_no_answer_is_an_error_that_says_what_to_do(settings: Settings) -> None:
    """The start is bounded."""
    await admin.create_topics(settings)

    async def publish_never(value: bytes) -> RecordMetadata:
        raise TimeoutError

    with pytest.raises(KafkaUnreachable, match=r"internal\.clock"):
        await BrokerClock(settings, publish_never).start(timeout_s=5)


async def test_a_step_of_the_brokers_clock_is_a_jump(
    stepped_broker: OwnBroker, broker_clock: SteppedClock, tmp_path: Path
) -> None:
    """Ahead, the new time is shown and not accepted; back, it is accepted."""
    settings = make_settings(stepped_broker, tmp_path)
    await admin.create_topics(settings)
    async with AIOKafkaProducer(**connection.producer_options(settings)) as producer:
        prober = Prober(settings, producer)
        clock = prober.create_clock()
        await clock.start()
        broker_clock.step(3600)
        await clock._probe()
        assert abs(clock.now_s() - time.time() - 3600) < 1
        assert abs(clock.accept_s(clock.now_s()) - time.time()) < 1
        broker_clock.step(-90_000)
        await clock._probe()
        assert abs(clock.accept_s(clock.now_s()) - time.time() + 86_400) < 1
        assert [round(jump_s, -1) for jump_s in prober.jumps] == [3600, -90_000]
