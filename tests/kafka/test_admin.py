"""Creating and checking topics on the real broker."""

import asyncio
import os
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from streams.kafka import admin, connection, topics
from streams.kafka.admin import InvalidTopics, TopicProblem
from streams.kafka.connection import KafkaUnreachable
from streams.settings import Settings
from streams.system import network
from tests.support.kafka.records import read_all

pytestmark = pytest.mark.broker


async def _make(settings: Settings, topic: str, partitions: int, **config: str) -> None:
    """Create a topic as another user would."""
    named = {key.replace("_", "."): value for key, value in config.items()}
    async with connection.admin_client(settings) as client:
        await client.create_topics([NewTopic(topic, partitions, 1, topic_configs=named)])


async def test_topics_are_created_as_specified(settings: Settings) -> None:
    """Every topic has its partitions and its whole configuration; a second call creates nothing."""
    specs = topics.required_topics(settings)
    assert await admin.create_topics(settings) == [spec.name for spec in specs]
    assert await admin.check_topics(settings) == []
    assert await admin.create_topics(settings) == []
    async with connection.admin_client(settings) as client:
        counts = await admin.partition_counts(client)
        configs = await admin._describe_configs(client, [spec.name for spec in specs])
    for spec in specs:
        assert counts[spec.name] == spec.partitions
        assert spec.config.items() <= configs[spec.name].items()


async def test_several_clients_may_create_at_once(settings: Settings) -> None:
    """A client that loses the race to create a topic uses the other's."""
    created = await asyncio.gather(*(admin.create_topics(settings) for _ in range(3)))
    names = [name for names_created in created for name in names_created]
    assert sorted(names) == sorted(spec.name for spec in topics.required_topics(settings))
    assert await admin.check_topics(settings) == []


async def test_another_account_gets_its_topics(settings: Settings) -> None:
    """Only the new topics are created."""
    await admin.create_topics(settings)
    more = replace(settings, accounts=("main", "second"))
    missing = {
        topics.names(more).send("second"),
        f"{more.topic_prefix}-sender-second-sends-changelog",
    }
    assert {
        problem.topic for problem in await admin.check_topics(more) if problem.is_missing
    } == missing
    assert set(await admin.create_topics(more)) == missing


async def test_missing_topics_are_named(settings: Settings) -> None:
    """A check creates nothing, and the message names the command that creates."""
    problems = await admin.check_topics(settings)
    assert [problem.topic for problem in problems] == [
        spec.name for spec in topics.required_topics(settings)
    ]
    assert all(problem.is_missing for problem in problems)
    assert str(problems[0]) == (
        f"{settings.topic_prefix}.outbound: found no such topic, needs 4 partitions; "
        "run `wa-streams topics create`"
    )
    assert await admin.check_topics(settings) == problems


async def test_a_worker_may_check_its_own_topics_only(settings: Settings) -> None:
    """A sender does not need another account's send topic."""
    send_topic = topics.names(settings).send("main")
    assert [problem.topic for problem in await admin.check_topics(settings, {send_topic})] == [
        send_topic
    ]


async def test_a_wrong_number_of_partitions_is_never_changed(settings: Settings) -> None:
    """The message says which topic, what it has, what it needs and what to set; the topic stays as it is."""
    status = topics.names(settings).status
    await _make(settings, status, 3, max_message_bytes="4194304")
    with pytest.raises(InvalidTopics) as raised:
        await admin.create_topics(settings)
    assert str(raised.value) == (
        f"{status}: found 3 partitions, needs 4; "
        "set WA_PARTITIONS to what it was, or WA_TOPIC_PREFIX to a name of its own"
    )
    async with connection.admin_client(settings) as client:
        assert (await admin.partition_counts(client))[status] == 3


async def test_a_configuration_that_would_lose_something_is_reported(settings: Settings) -> None:
    """A changelog with retention loses rows, a small one refuses them, and a producer's time decides nothing.

    The retention of a public topic is not checked.
    """
    rows = topics.changelog_topic(topics.dispatch_app_id(settings), topics.ROWS)
    status = topics.names(settings).status
    append_time = {"message_timestamp_type": "LogAppendTime"}
    await _make(
        settings, rows, 4, cleanup_policy="compact,delete", max_message_bytes="1000", **append_time
    )
    await _make(settings, status, 4, retention_ms="60000")
    with pytest.raises(InvalidTopics) as raised:
        await admin.create_topics(settings)
    alter = f"set it: kafka-configs.sh --alter --topic {rows} --add-config "
    assert raised.value.problems == (
        TopicProblem(
            status,
            "message.timestamp.type=CreateTime",
            "message.timestamp.type=LogAppendTime",
            f"{alter.replace(rows, status)}message.timestamp.type=LogAppendTime",
        ),
        TopicProblem(
            rows,
            "cleanup.policy=compact,delete",
            "cleanup.policy=compact",
            f"{alter}cleanup.policy=compact",
        ),
        TopicProblem(
            rows,
            "max.message.bytes=1000",
            "max.message.bytes=8388608",
            f"{alter}max.message.bytes=8388608",
        ),
    )


async def test_a_refusal_of_the_brokers_is_reported(settings: Settings) -> None:
    """If there are more copies than brokers, one line names the setting."""
    with pytest.raises(InvalidTopics) as raised:
        await admin.create_topics(replace(settings, replication_factor=3))
    message = str(raised.value)
    assert "WA_REPLICATION_FACTOR" in message and "3 copies" in message and "\n" not in message
    assert len(raised.value.problems) == len(topics.required_topics(settings))


async def test_the_brokers_default_replication_factor_may_be_used(settings: Settings) -> None:
    """WA_REPLICATION_FACTOR=-1 selects it."""
    given = replace(settings, replication_factor=-1)
    await admin.create_topics(given)
    assert await admin.check_topics(given) == []


async def test_a_broker_that_does_not_exist_is_reported(settings: Settings) -> None:
    """The error is one line with the address and the settings, and comes at once."""
    nowhere = f"127.0.0.1:{network.find_free()}"
    with pytest.raises(KafkaUnreachable) as raised:
        await admin.check_topics(replace(settings, kafka_bootstrap_servers=nowhere))
    message = str(raised.value)
    assert nowhere in message and "WA_KAFKA_BOOTSTRAP_SERVERS" in message and "\n" not in message


async def test_changelogs_are_really_compacted(settings: Settings) -> None:
    """Old values of a key leave the disk by themselves, while the last ones and other keys stay."""
    await admin.create_topics(settings)
    part = TopicPartition(topics.changelog_topic(topics.dispatch_app_id(settings), topics.ROWS), 0)
    options = connection.producer_options(settings)
    keys = (b"a", b"b", b"c", b"d")
    async with AIOKafkaProducer(**options, max_batch_size=1_000_000) as producer:
        await producer.send_and_wait(part.topic, b"quiet", key=b"quiet", partition=0)
        for _ in range(40):  # three segments
            sends = [await producer.send(part.topic, os.urandom(250_000), key, 0) for key in keys]
            last = await asyncio.gather(*sends)
    client = connection.client_options(settings)
    async with asyncio.timeout(120):
        # The broker does not report that it has compacted; the log must be read.
        while len(records := await read_all(client, part)) > 150:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    kept = {record.key: record.offset for record in records}
    written = zip(keys, last, strict=True)
    assert kept == {b"quiet": 0} | {key: metadata.offset for key, metadata in written}
