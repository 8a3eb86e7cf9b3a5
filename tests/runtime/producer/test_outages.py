"""The producer in an outage: what was written is written once, in the end, and nothing is given up."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.runtime import producer as producer_module
from streams.runtime.exit_codes import ExitCode
from tests.runtime.producer.producing import make_app, record_requests
from tests.runtime.world import World, create_world, run_app, wait_until
from tests.support.broker import OwnBroker, make_settings

pytestmark = pytest.mark.broker


async def test_it_waits_for_all_replicas(world: World):
    """Each request asks for all acknowledgements; with a single broker, nothing else shows the difference."""
    app, _ = make_app(world)
    async with run_app(app):
        requests = record_requests(app)
        await app.publisher.publish(world.topics.status, b"x", partition=0)
        assert [request.required_acks for request in requests] == [-1]


async def test_a_record_whose_response_was_lost_is_written_once(world: World):
    """It is produced again, and the broker recognises its sequence number."""
    app, rows = make_app(world)
    lost = [True, True]

    def lose() -> None:
        if lost:
            lost.pop()
            raise KafkaConnectionError("the response was lost")

    async with run_app(app):
        requests = record_requests(app, lose)
        await app.publisher.publish(world.topics.status, b"x", partition=0)
        await rows.write(0, [(b"k", b"v")])
        assert not lost and len(requests) > 2
        assert len(await world.read_topic(world.topics.status)) == 1


async def test_nothing_expires_in_an_outage(world: World):
    """A record that was produced once and waits for a leader is not given up: it may have been written."""
    app, _ = make_app(world)
    app.conf.producer_request_timeout = 1.0
    async with run_app(app):
        cluster: Any = app.typed_producer.client.client.cluster
        leader, outage = cluster.leader_for_partition, asyncio.Event()
        cluster.leader_for_partition = lambda partition: (
            -1 if outage.is_set() else leader(partition)
        )

        def lose() -> None:
            if not outage.is_set():
                outage.set()
                raise KafkaConnectionError("the response was lost")

        record_requests(app, lose)
        writing = asyncio.ensure_future(
            app.publisher.publish(world.topics.status, b"x", partition=0)
        )
        await outage.wait()
        done, _ = await asyncio.wait(
            [writing], timeout=2.5
        )  # longer than aiokafka would keep a record
        assert not done
        cluster.leader_for_partition = leader
        await writing
        assert len(await world.read_topic(world.topics.status)) == 1


async def test_a_producer_that_dies_ends_the_process(world: World, monkeypatch: pytest.MonkeyPatch):
    """Otherwise every write would wait for ever, and nothing would say why."""
    exit_codes: list[ExitCode] = []
    monkeypatch.setattr(producer_module, "terminate", lambda code, reason: exit_codes.append(code))
    app, _ = make_app(world)
    async with run_app(app):
        sender: Any = app.typed_producer.client._sender

        async def dies() -> None:
            raise RuntimeError("a mistake in the sender")

        sender._maybe_wait_for_pid = dies
        writing = asyncio.ensure_future(
            app.publisher.publish(world.topics.status, b"x", partition=0)
        )
        await wait_until(lambda: exit_codes == [ExitCode.PRODUCER_DEAD])
        writing.cancel()


@pytest.fixture
async def broken(own_broker: OwnBroker, tmp_path: Path) -> AsyncIterator[World]:
    async with create_world(make_settings(own_broker, tmp_path)) as world:
        yield world


async def test_an_outage_delays_and_loses_nothing(broken: World, own_broker: OwnBroker):
    """Writes wait, rows are not visible before the broker has them, and each is written once."""
    app, rows = make_app(broken)
    async with run_app(app):
        await rows.write(0, [(b"k", b"before")])
        own_broker.kill()
        writing = [
            asyncio.ensure_future(rows.write(0, [(b"k", b"after")])),
            asyncio.ensure_future(app.publisher.publish(broken.topics.status, b"x", partition=0)),
        ]
        done, _ = await asyncio.wait(writing, timeout=2.0)
        seen = rows.get(0, b"k")
        await asyncio.to_thread(own_broker.start)
        assert not done
        assert seen == b"before"
        await asyncio.gather(*writing)
        assert rows.get(0, b"k") == b"after"
        values = [
            record.value
            for record in await broken.read_topic(f"{broken.group}-rows-changelog")
            if record.key == b"k"
        ]
        assert values == [b"before", b"after"]
        assert len(await broken.read_topic(broken.topics.status)) == 1
