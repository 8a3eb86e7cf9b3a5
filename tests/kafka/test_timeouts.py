"""A broker that accepts connections and answers nothing: every client gets past it within its timeouts."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import BrokerMetadata

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin, connection, reader, silent_brokers, timeouts, view
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.silent_brokers import SilentBrokers
from streams.settings import Settings
from tests.support.waiting import wait_until

CONNECT_TIMEOUT_S = 0.5


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits real seconds, and no broker is silent because of an earlier test."""
    monkeypatch.setattr(timeouts, "CONNECT_TIMEOUT_S", CONNECT_TIMEOUT_S)
    monkeypatch.setattr(timeouts, "PROBE_AFTER_S", CONNECT_TIMEOUT_S)
    monkeypatch.setattr(timeouts, "silent_brokers", SilentBrokers())


@pytest.fixture
def silent_address() -> Iterator[str]:
    """The kernel accepts connections for this socket, and nobody reads them: like a suspended broker."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


async def test_a_broker_that_is_silent_is_given_up(silent_address: str, settings: Settings):
    """With no other broker, a command says so, after one timeout."""
    lonely = replace(settings, kafka_bootstrap_servers=silent_address)
    async with asyncio.timeout(30):
        with pytest.raises(KafkaUnreachable):
            await admin.check_topics(lonely)


@pytest.mark.broker
async def test_every_client_gets_past_a_silent_address(
    silent_address: str, settings: Settings, broker: EmbeddedBroker
):
    """aiokafka would wait 40 s for it, each time; here all clients together take a few timeouts."""
    addresses = f"{silent_address},{broker.bootstrap_servers}"
    both = replace(settings, kafka_bootstrap_servers=addresses, accounts=("main",))
    async with asyncio.timeout(30):
        await admin.create_topics(both)
        options = connection.producer_options(both)
        producer = AIOKafkaProducer(**options)
        await producer.start()
        topic = f"{both.topic_prefix}.accounts"
        await producer.send_and_wait(topic, b"value", key=b"main")
        await producer.stop()
        consumer = AIOKafkaConsumer(topic, **connection.client_options(both))
        await consumer.start()
        await consumer.stop()
        async with reader.open_reader(both, topic) as topic_reader:
            assert [record.value async for record in topic_reader.read_to_end()] == [b"value"]
        accounts = view.CompactedView(both, topic)
        await accounts.start()
        assert accounts.get(b"main") == b"value"
        await accounts.stop()


@pytest.mark.broker
async def test_a_live_broker_is_not_given_up(
    settings: Settings, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
):
    """A request that waits for long, as a fetch or a join does, is not a silent broker."""
    monkeypatch.setattr(timeouts, "PROBE_AFTER_S", 0.05)
    await admin.create_topics(settings)
    topic = f"{settings.topic_prefix}.inbound"
    consumer = AIOKafkaConsumer(
        topic, **connection.client_options(settings), fetch_max_wait_ms=400, group_id="waits"
    )
    await consumer.start()
    await consumer.getmany(timeout_ms=1000)
    await consumer.stop()
    assert ("127.0.0.1", broker.port) not in timeouts.silent_brokers._given_up


@pytest.mark.broker
async def test_requests_that_time_out_together_harm_nobody(
    settings: Settings, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
):
    """aiokafka's client looks for the connection of each, which is gone after the first: KeyError."""
    await admin.create_topics(settings)
    async with connection.admin_client(settings) as client:
        node = client._client.get_random_node()
        await client._client.ready(node)
        monkeypatch.setattr(timeouts.BoundedConnection, "_handle_frame", lambda *_: None)

        async def reconnect() -> None:
            while True:
                await client._client.ready(node)
                await asyncio.sleep(0.01)

        reconnecting = asyncio.create_task(reconnect())
        requests = [client._client.send(node, MetadataRequest([])) for _ in range(3)]
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        reconnecting.cancel()
        assert {type(outcome) for outcome in outcomes} <= {
            RequestTimedOutError,
            KafkaConnectionError,
        }
        monkeypatch.undo()


@pytest.mark.broker
async def test_nobody_waits_for_a_broker_that_was_given_up(
    settings: Settings, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
):
    """A connection fails at once, and a probe beside it finds out that the broker answers again."""
    monkeypatch.setattr(silent_brokers, "OTHERS_ANSWER_S", 3600.0)
    address, another = ("127.0.0.1", broker.port), ("127.0.0.1", 1)
    async with connection.admin_client(settings) as client:
        node = client._client.get_random_node()
        assert await client._client.ready(node)
        timeouts.silent_brokers.record_answer(another)
        timeouts.silent_brokers.give_up(address)
        await wait_until(
            lambda: not any(conn.connected() for conn in client._client._conns.values())
        )
        assert not await client._client.ready(node)
        monkeypatch.setattr(silent_brokers, "PROBE_INTERVAL_S", 0.0)
        assert not await client._client.ready(node)
        await wait_until(lambda: not timeouts.silent_brokers.is_silent(address))
        assert await client._client.ready(node)


async def test_a_request_without_an_answer_is_no_proof(
    settings: Settings, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
):
    """A live broker keeps a commit until its replicas have it: the request is waited for, and the broker probed."""
    monkeypatch.setattr(timeouts, "PROBE_AFTER_S", 0.02)
    link = timeouts.BoundedConnection("127.0.0.1", broker.port)
    await link.connect()
    answer = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(link._wait_for(answer))
    await asyncio.sleep(0.2)
    assert link.connected()
    answer.set_result("late")
    assert await waiting == "late"
    link.close()


async def test_a_cancellation_that_comes_with_the_answer_is_not_lost(broker: EmbeddedBroker):
    """`asyncio.wait_for` of Python 3.11 would return the answer, and the task would go on."""
    link = timeouts.BoundedConnection("127.0.0.1", broker.port)
    answer = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(link._wait_for(answer))
    await asyncio.sleep(0)
    answer.set_result("at the same moment")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_silent_broker_is_asked_last():
    """A client that needs any broker takes one that answers. If none does, none is avoided."""
    timeouts.install()
    client = AIOKafkaClient.__new__(AIOKafkaClient)
    client.cluster = ClusterMetadata()
    client.cluster._brokers = {
        number: BrokerMetadata(number, "127.0.0.1", number, None) for number in (1, 2)
    }
    timeouts.silent_brokers.give_up(("127.0.0.1", 1))
    assert {client.get_random_node() for _ in range(50)} == {1, 2}
    timeouts.silent_brokers.record_answer(("127.0.0.1", 2))
    assert {client.get_random_node() for _ in range(50)} == {2}
