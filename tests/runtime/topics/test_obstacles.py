"""A worker that cannot write or read a topic is not ready, says why, and goes on when the topic is back."""

import asyncio
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from streams.kafka import connection
from streams.kafka.topics import ROWS, required_topics
from streams.runtime.broker.publisher import Publisher
from streams.runtime.factory import App
from streams.runtime.obstacles.monitor import BROKERS, ObstacleMonitor
from streams.runtime.table import DurableTable
from tests.runtime.reading import add_reader
from tests.runtime.world import World, run_app, wait_until


class Counted:
    """Counts the obstacles of each topic."""

    def __init__(self) -> None:
        self.topics: list[str] = []

    def count_obstacle(self, topic: str) -> None:
        self.topics.append(topic)


def make_quick(app: App) -> Counted:
    """Let the app notice an obstacle within a moment."""
    counted = Counted()
    app.obstacles.timeout_s = 0.5
    app.obstacles.check_interval_s = 0.1
    app.obstacles.observers.append(counted)
    return counted


@pytest.fixture
async def app(world: World) -> AsyncIterator[App]:
    app = add_reader(world.make_app(), world, [])
    DurableTable(app, ROWS)
    app.target_topics.add(world.topics.status)
    async with run_app(app):
        yield app


async def delete_topic(world: World, name: str) -> None:
    async with connection.admin_client(world.settings) as client:
        await client.delete_topics([name])


async def create_topic(world: World, name: str) -> None:
    spec = next(spec for spec in required_topics(world.settings) if spec.name == name)
    topic = NewTopic(name, spec.partitions, 1, topic_configs=spec.config)
    async with connection.admin_client(world.settings) as client:
        await client.create_topics([topic])


@pytest.mark.broker
async def test_a_deleted_topic_makes_the_worker_unready_until_it_is_back(
    world: World, app: App, caplog: pytest.LogCaptureFixture
):
    """What waits is written then. One log line begins it and one ends it."""
    counted, status = make_quick(app), world.topics.status
    await app.publisher.publish(status, b"before", partition=0)
    with caplog.at_level(logging.INFO, logger="streams.runtime.obstacles.monitor"):
        await delete_topic(world, status)
        waiting = asyncio.ensure_future(app.publisher.publish(status, b"waits", partition=0))
        await wait_until(lambda: not app.readiness().is_ready)
        reason = app.readiness().reason
        assert reason.startswith(f"{status} does not exist")
        assert "wa-streams topics create" in reason
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await create_topic(world, status)
        await asyncio.wait_for(waiting, 60)
        await wait_until(lambda: app.readiness().is_ready)
    assert counted.topics == [status]
    lines = [record.message for record in caplog.records if record.name.endswith("monitor")]
    assert [status in line for line in lines] == [True, True]
    assert not [record for record in caplog.records if record.name == "aiokafka.cluster"]
    assert [r.value for r in await world.read_topic(status)] == [b"waits"]


@pytest.mark.broker
async def test_a_topic_that_may_not_be_written_is_named(
    world: World, app: App, monkeypatch: pytest.MonkeyPatch
):
    """The remedy is the right to grant, and the record is written once it is granted."""
    make_quick(app)
    client: Any = app.typed_producer.client.client

    async def refuse(topic: str, *args: Any, **options: Any) -> Any:
        raise TopicAuthorizationFailedError(topic)

    with monkeypatch.context() as patch:
        patch.setattr(client, "_wait_on_metadata", refuse)
        waiting = asyncio.ensure_future(app.publisher.publish(world.topics.status, b"x"))
        await wait_until(lambda: app.obstacle() is not None)
        assert app.obstacle() == (
            f"{world.topics.status} may not be written by this user: grant WRITE"
        )
    await asyncio.wait_for(waiting, 30)
    await wait_until(lambda: app.obstacle() is None)


@pytest.mark.broker
async def test_a_topic_that_may_not_be_read_is_named_and_read_later(
    world: World, app: App, monkeypatch: pytest.MonkeyPatch
):
    """The refusal does not end the process: the topic is read again as soon as it is allowed."""
    make_quick(app)
    fetcher = app.typed_consumer._thread._ensure_consumer()._fetcher

    async def refuse(*args: Any, **options: Any) -> Any:
        raise TopicAuthorizationFailedError(world.topics.outbound)

    with monkeypatch.context() as patch:
        patch.setattr(fetcher, "fetched_records", refuse)
        await world.produce([b"x"])
        await wait_until(lambda: app.obstacle() is not None)
        assert app.obstacle() == (
            f"{world.topics.outbound} may not be read by this user: grant READ"
        )
    await wait_until(world.has_no_lag)
    await wait_until(lambda: app.readiness().is_ready)


class FakeApp:
    """An app on brokers that have some topics, or do not answer."""

    should_stop = False

    def __init__(self) -> None:
        self.publisher = Publisher(asyncio.Future)  # type: ignore[arg-type] - nothing is published
        self.existing: set[str] | None = None
        self.in_sync = [1, 2]  # of two copies

    @property
    def typed_producer(self) -> Any:
        return SimpleNamespace(client=SimpleNamespace(client=self))

    async def fetch_all_metadata(self) -> Any:
        if self.existing is None:
            raise KafkaError("no broker answers")
        copies = {0: SimpleNamespace(replicas=[1, 2], isr=self.in_sync)}
        return SimpleNamespace(
            topics=lambda **_: self.existing, _partitions=dict.fromkeys(self.existing, copies)
        )

    def required_topics(self) -> set[str]:
        return {"wa.outbound", "wa.status"}

    def unreadable_topics(self) -> set[str]:
        return set()


async def test_silent_brokers_are_one_obstacle(caplog: pytest.LogCaptureFixture):
    """Not one for each topic, and one line for the whole outage."""
    app: Any = FakeApp()
    monitor, counted = ObstacleMonitor(app, timeout_s=0.0), Counted()
    monitor.observers.append(counted)
    for _ in range(3):
        await monitor.check()
    assert monitor.reason == f"{BROKERS} do not answer"
    assert counted.topics == [BROKERS]
    assert len(caplog.records) == 1
    app.existing = app.required_topics()
    await monitor.check()
    assert monitor.reason is None


async def test_a_deleted_source_is_an_obstacle_although_nothing_waits():
    """Without this, nothing would be read, and all probes would be green."""
    app: Any = FakeApp()
    monitor = ObstacleMonitor(app)
    app.existing = {"wa.status"}
    await monitor.check()
    assert monitor.topics == ["wa.outbound"]
    assert "does not exist" in (monitor.reason or "")
    app.existing = {"wa.status", "wa.outbound"}
    await monitor.check()
    assert monitor.reason is None


async def test_missing_copies_are_no_obstacle(caplog: pytest.LogCaptureFixture):
    """The other brokers have the data. It is said once when it begins, and once when it is over."""
    caplog.set_level(logging.INFO)
    app: Any = FakeApp()
    monitor = ObstacleMonitor(app)
    app.existing, app.in_sync = app.required_topics(), [2]
    for _ in range(2):
        await monitor.check()
    assert monitor.under_replicated == ["wa.outbound", "wa.status"]
    assert monitor.reason is None
    app.in_sync = [2, 1]
    for _ in range(2):
        await monitor.check()
    assert monitor.under_replicated == []
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_the_checks_end_with_the_app():
    """Also if a library has lost the cancellation of the task: nothing else would end it."""
    app: Any = FakeApp()
    checked: list[bool] = []

    async def lose_the_cancellation() -> Any:
        checked.append(app.should_stop)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            app.existing = app.required_topics()
        return await FakeApp.fetch_all_metadata(app)

    app.fetch_all_metadata = lose_the_cancellation
    task = asyncio.create_task(ObstacleMonitor(app, check_interval_s=0.0).run())
    await wait_until(lambda: checked)
    app.should_stop = True
    task.cancel()
    try:
        await wait_until(lambda: task.done())
    finally:
        task.cancel()
    assert not task.cancelled()
    assert checked == [False]


async def test_nothing_is_checked_when_the_app_has_stopped_in_the_interval():
    """Its producer is stopped by then."""
    app: Any = FakeApp()
    monitor = ObstacleMonitor(app, check_interval_s=0.0, timeout_s=-1.0)
    app.should_stop = True
    await monitor.check_later()
    assert monitor.topics == []
    app.should_stop = False
    await monitor.check_later()
    assert monitor.topics == [BROKERS]
