"""The app as it is created from the settings, and what it offers to its users."""

import asyncio
from typing import Any

import pytest
from faust.tables.manager import TableManager as FaustTableManager

from streams.kafka import admin
from streams.kafka.admin import InvalidTopics
from streams.kafka.topics import ROWS
from streams.runtime import table, worker
from streams.runtime.factory import App, Readiness, create_app
from streams.runtime.table import DurableTable, PartitionRevoked
from streams.settings import Settings
from tests.runtime.reading import RecordingApp, add_reader
from tests.runtime.world import World, request_rebalance, run_app, wait_until
from tests.support.broker import KafkaEndpoint, make_settings

pytestmark = pytest.mark.broker


def make_app(settings: Settings, name: str = "dispatch-1") -> App:
    return create_app("app", settings, name=name, partitions=4)


async def test_a_worker_does_not_start_without_its_topics(settings: Settings):
    """The error names the first missing topic and the command that creates it."""
    with pytest.raises(InvalidTopics, match=r"outbound: found no such topic.*topics create"):
        await asyncio.to_thread(worker.run, make_app(settings), settings)


async def test_a_worker_does_not_start_on_a_wrong_number_of_partitions(
    broker: KafkaEndpoint, settings: Settings
):
    """Records of a phone would go to another partition than the one with its row."""
    await admin.create_topics(settings)
    more = make_settings(
        broker, settings.data_dir, topic_prefix=settings.topic_prefix, partitions=8
    )
    with pytest.raises(InvalidTopics, match=r"status: found 4 partitions, needs 8"):
        await asyncio.to_thread(worker.run, make_app(more), more)


async def test_a_start_does_not_sleep(world: World, monkeypatch: pytest.MonkeyPatch):
    """Faust's table manager would sleep for a second at each start, to wait for tables that are defined late."""
    slept: list[float] = []

    async def sleep(self: Any, seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(FaustTableManager, "sleep", sleep)
    app = add_reader(world.make_app(), world, [])
    DurableTable(app, ROWS)
    async with run_app(app):
        assert slept == []


async def test_callbacks_run_in_order(world: World):
    """Each callback runs at its time in the life of the app, with the tables as promised."""
    steps: list[str] = []
    app = add_reader(world.make_app(), world, [])
    rows = DurableTable(app, ROWS)

    def note(step: str) -> Any:
        async def noted() -> None:
            steps.append(
                f"{step}, {app.readiness().reason}, {len(rows.owned_partitions())} partitions"
            )

        return noted

    app.before_join(note("before join"))
    rows.on_recovered(note("recovered"))
    app.before_revocation(note("before revocation"))
    app.after_last_event(note("after last event"))
    assert app.readiness() == Readiness(False, "starting")
    async with run_app(app):
        steps.append(app.readiness().reason)
    assert steps == [
        "before join, starting, 0 partitions",
        "recovered, taking over partitions, 4 partitions",
        "ready",
        "before revocation, stopping, 4 partitions",
        "after last event, stopping, 4 partitions",
    ]


async def test_no_partition_is_revoked_during_a_recovery_callback(world: World):
    """A rebalance waits until the callbacks of the last recovery have returned."""
    steps: list[str] = []
    may_continue = asyncio.Event()
    app = add_reader(world.make_app(), world, [])
    rows = DurableTable(app, ROWS)

    @rows.on_recovered
    async def recovered() -> None:
        steps.append("recovered")
        await may_continue.wait()
        await rows.write(0, [(b"k", b"v")])
        steps.append("and continued")

    @app.before_revocation
    async def before_revocation_callback() -> None:
        steps.append("revoking")

    starting = asyncio.ensure_future(app.start())
    await wait_until(lambda: steps == ["recovered"])
    await request_rebalance(app)
    await wait_until(lambda: app.rebalancing_count > 1)
    await asyncio.wait([starting], timeout=0.5)
    assert steps == ["recovered"]
    may_continue.set()
    await starting
    await wait_until(lambda: app.readiness().is_ready and len(steps) == 5)
    assert steps == ["recovered", "and continued", "revoking", "recovered", "and continued"]
    await app.stop()


async def test_a_nacked_event_is_not_waited_for_and_is_read_again(world: World):
    """No commit goes past it, and the next worker gets it."""
    reading = RecordingApp(world, hold_acks=True)
    app, kept = reading.app, reading.events

    async def nack_events() -> None:
        kept[1].ack()
        app.nack(kept[0])
        app.nack(kept[2])

    app.before_revocation(nack_events)
    async with run_app(app):
        await world.produce([b"0", b"1", b"2"])
        await wait_until(lambda: len(kept) == 3)
    assert await world.read_committed_offset() == 0
    seen: list[bytes] = []
    async with run_app(add_reader(world.make_app(), world, seen)):
        await wait_until(lambda: seen == [b"0", b"1", b"2"])


async def test_an_acknowledgement_after_a_nack_has_no_effect(world: World):
    """The record has been delivered again since, and that event counts."""
    reading = RecordingApp(world, hold_acks=True)
    app, kept = reading.app, reading.events

    async def nack_events() -> None:
        for event in kept:
            app.nack(event)

    app.before_revocation(nack_events)
    async with run_app(app):
        await world.produce([b"0"])
        await wait_until(lambda: len(kept) == 1)
        await request_rebalance(app)
        await wait_until(lambda: len(kept) == 2)
        kept[0].ack()
        await app.consumer.commit()
        assert await world.read_committed_offset() == 0
        kept[1].ack()
        await wait_until(world.has_no_lag)


def test_a_failure_before_joining_is_raised_by_run(settings: Settings):
    """For instance a port that is taken: the caller of `run` gets the error, and not only the log."""
    app = make_app(settings)

    @app.before_join
    async def listen() -> None:
        raise OSError("the port is taken")

    asyncio.run(admin.create_topics(settings))
    with pytest.raises(OSError, match="the port is taken"):
        worker.run(app, settings)


async def test_a_callback_of_a_recovery_may_find_its_partition_gone(
    monkeypatch: pytest.MonkeyPatch,
):
    """Another recovery follows, or the app has stopped: the process does not end because of it."""
    ended: list[Any] = []
    monkeypatch.setattr(table, "terminate", lambda *reason: ended.append(reason))

    async def callback() -> None:
        raise PartitionRevoked("partition 0 is not open in this process")

    await table._run_callback(callback)
    assert ended == []
