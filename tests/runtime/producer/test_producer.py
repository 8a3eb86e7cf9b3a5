"""The producer: it writes nothing unless we are certainly a member."""

import asyncio
import random
import time
from typing import Any

import pytest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import RecordMetadata
from faust.types import TP

from streams.kafka.topics import APPEND_TIME_TYPE
from streams.runtime import producer as producer_module
from streams.runtime.broker.publisher import OutgoingRecord
from streams.runtime.factory import App
from tests.runtime.producer.producing import make_app
from tests.runtime.reading import RecordingApp
from tests.runtime.world import (
    WAIT_TIMEOUT_S,
    World,
    request_rebalance,
    run_app,
    wait_until,
)

pytestmark = pytest.mark.broker


class Heartbeats:
    """Counts the answered heartbeats, and can make them look old."""

    def __init__(self, app: App) -> None:
        self.fence = app.fence
        self.answered = 0
        self.delay_s = 0.0
        self._answered = app.fence.on_heartbeat
        app.fence.on_heartbeat = self._count  # type: ignore[method-assign]

    def _count(self, sent_s: float) -> None:
        self._answered(sent_s - self.delay_s)
        self.answered += 1

    def make_old(self) -> None:
        self.delay_s = 60.0
        self._answered(time.monotonic() - self.delay_s)

    async def more(self) -> None:
        enough = self.answered + 2
        await wait_until(lambda: self.answered >= enough)


async def test_nothing_is_written_while_heartbeats_are_old(world: World):
    """Neither records nor rows leave the process until a fresh heartbeat is answered."""
    app, rows = make_app(world)
    async with run_app(app):
        heartbeats = Heartbeats(app)
        heartbeats.make_old()
        writing = [
            asyncio.ensure_future(app.publisher.publish(world.topics.status, b"x", partition=0)),
            asyncio.ensure_future(rows.write(0, [(b"k", b"v")])),
        ]
        await heartbeats.more()
        assert not any(write.done() for write in writing)
        assert await world.read_topic(world.topics.status) == []
        heartbeats.delay_s = 0.0
        await asyncio.gather(*writing)
        assert len(await world.read_topic(world.topics.status)) == 1


async def test_every_append_time_is_reported(world: World):
    """Of single records and of batches of rows, between the sending and the answer of their requests."""
    app, rows = make_app(world)
    reported: list[tuple[str, float, float]] = []

    def observe(metadata: RecordMetadata, sent_s: float, received_s: float) -> None:
        offset_s = time.time() - time.monotonic()
        assert metadata.timestamp is not None
        assert metadata.timestamp_type == APPEND_TIME_TYPE
        assert sent_s - 0.5 < metadata.timestamp / 1000 - offset_s < received_s + 0.5
        reported.append((metadata.topic, sent_s, received_s))

    async with run_app(app):
        app.on_produce_response = observe
        await app.publisher.publish(world.topics.status, b"x", partition=0)
        await rows.write(0, [(b"k", b"v")])
    assert {topic for topic, *_ in reported} >= {world.topics.status, rows.changelog}


async def test_a_request_has_a_limited_size(world: World, monkeypatch: pytest.MonkeyPatch):
    """A broker refuses a larger one without an answer, and it would be repeated for ever."""
    monkeypatch.setattr(producer_module, "_MAX_REQUEST_BYTES", 2000)
    app, _ = make_app(world)
    async with run_app(app):
        client: Any = app.typed_producer.client.client
        sizes: list[int] = []
        send = client.send

        async def noted(node: Any, request: Any, **options: Any) -> Any:
            if isinstance(request, ProduceRequest):
                sizes.append(sum(len(batch) for _, parts in request._topics for _, batch in parts))
            return await send(node, request, **options)

        client.send = noted
        records = [
            OutgoingRecord(world.topics.status, random.randbytes(1500), b"k", partition)
            for partition in range(4)
        ]
        assert len(await app.publisher.publish_all(records)) == len(records)
    assert len(sizes) >= len(records)
    assert max(sizes) < 2000


async def test_the_fence_shuts_as_soon_as_partitions_are_assigned(world: World):
    """It does not wait for the first answered heartbeat, which comes later."""
    app, rows = make_app(world)
    app.fence.on_heartbeat = lambda sent_s: None  # type: ignore[method-assign]
    app.fence.max_heartbeat_age_s = 60.0  # a slow recovery must not shut it
    ages_s: list[float | None] = []
    rows.on_recovered(lambda: ages_s.append(app.fence.heartbeat_age_s()))
    await app.start()
    await wait_until(lambda: ages_s)
    assert ages_s[0] is not None
    await app.stop()


async def test_a_member_without_partitions_may_write_during_a_rebalance(world: World):
    """It has released everything and waits for a member that is still busy: there is nothing to fence."""
    first, second = RecordingApp(world), RecordingApp(world, "dispatch-2", hold_acks=True)
    async with run_app(first.app), run_app(second.app):
        await wait_until(lambda: first.app.readiness().is_ready)
        for partition in range(4):
            await world.produce([b"x"], partition=partition)
        await wait_until(lambda: len(first.positions) + len(second.positions) == 4)
        revoked = _revocation(first.app)
        await request_rebalance(first.app)
        await wait_until(revoked.is_set)
        limit_s, first.app.fence.max_heartbeat_age_s = (
            first.app.fence.max_heartbeat_age_s,
            0.0,
        )  # too old, however fresh
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            await first.app.publisher.publish(world.topics.status, b"x", partition=0)
        assert second.unacked
        assert first.app.rebalancing
        first.app.fence.max_heartbeat_age_s = limit_s
        for event in second.events:
            event.ack()
        await wait_until(lambda: first.app.readiness().is_ready and second.app.readiness().is_ready)


def _revocation(app: App) -> asyncio.Event:
    """An event that is set when the next revocation is over."""
    consumer, over = app.typed_consumer, asyncio.Event()
    revoke = consumer.on_partitions_revoked

    async def noted(partitions: set[TP]) -> None:
        await revoke(partitions)
        over.set()

    consumer.on_partitions_revoked = noted  # type: ignore[method-assign]
    return over


async def test_a_member_that_has_left_may_write(world: World):
    """Its partitions are released, and no heartbeat will be answered any more."""
    app, _ = make_app(world)
    written: list[bool] = []

    async def write_and_stop() -> None:
        app.fence.max_heartbeat_age_s = 0.0  # too old, however fresh
        sent = app.typed_producer.client.send_and_wait(world.topics.status, b"x", partition=0)
        writing = asyncio.ensure_future(sent)
        done, _ = await asyncio.wait([writing], timeout=WAIT_TIMEOUT_S)
        written.append(writing in done)
        app.fence.on_revoked()  # otherwise a failure would hang
        await writing
        await stop()

    async with run_app(app):
        producer = app.typed_producer
        stop, producer.on_stop = producer.on_stop, write_and_stop  # type: ignore[method-assign]
    assert written == [True]
