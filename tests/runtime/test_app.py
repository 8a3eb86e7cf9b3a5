"""The app as it is made from the settings, and what it offers to those who build on it."""

import asyncio
import shutil
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from faust.tables.manager import TableManager as FaustTableManager

from streams.kafka import admin
from streams.kafka.admin import InvalidTopics
from streams.kafka.connection import client_options
from streams.kafka.topics import ROWS, names
from streams.runtime import worker
from streams.runtime.factory import App, Readiness, WorkerAlreadyRunning, create_app
from streams.runtime.table import DurableTable
from streams.settings import Settings
from tests.runtime.reading import RecordingApp
from tests.runtime.world import World, request_rebalance, run_app, wait_until
from tests.support.broker import KafkaEndpoint, make_settings

pytestmark = pytest.mark.broker


def _app(settings: Settings, name: str = "dispatch-1") -> App:
    return create_app("app", settings, name=name, partitions=4)


async def test_a_worker_does_not_start_without_its_topics(settings: Settings):
    """The error names the first missing topic and the command that creates it."""
    with pytest.raises(InvalidTopics, match=r"outbound: found no such topic.*topics create"):
        await asyncio.to_thread(worker.run, _app(settings), settings)


async def test_a_worker_does_not_start_on_a_wrong_number_of_partitions(
    broker: KafkaEndpoint, settings: Settings
):
    """Records of a phone would go to another partition than the one with its row."""
    await admin.create_topics(settings)
    more = make_settings(
        broker, settings.data_dir, topic_prefix=settings.topic_prefix, partitions=8
    )
    with pytest.raises(InvalidTopics, match=r"outbound: found 4 partitions, needs 8"):
        await asyncio.to_thread(worker.run, _app(more), more)


async def test_one_name_is_one_worker(settings: Settings):
    """A second worker of the same name is refused until the first has ended."""
    first = _app(settings)
    with pytest.raises(WorkerAlreadyRunning, match=r"dispatch-1 is already running .* --name"):
        _app(settings)
    _app(settings, "dispatch-2")
    await first.on_shutdown()
    _app(settings)


async def test_a_worker_keeps_its_member_id_with_its_folder(settings: Settings):
    """It returns under the same member id until its folder is deleted."""
    members = []
    for _ in range(3):
        app = _app(settings)
        app._set_member_id()
        members.append((app.conf.consumer_group_instance_id, str(app.conf.canonical_url)))
        await app.on_shutdown()
        if len(members) == 2:
            shutil.rmtree(settings.data_dir / "tables")
    assert members[0] == members[1] != members[2]


async def test_a_predecessor_that_did_not_end_regularly_is_waited_for(settings: Settings):
    """It may be suspended and not dead; one that ended regularly does nothing any more."""
    assert not await _waits_for_predecessor(settings, end_regularly=True)
    assert not await _waits_for_predecessor(settings, end_regularly=False)
    assert await _waits_for_predecessor(settings, end_regularly=True)
    assert not await _waits_for_predecessor(settings, end_regularly=True)


async def _waits_for_predecessor(settings: Settings, *, end_regularly: bool) -> bool:
    app = _app(settings)
    app.fence.max_heartbeat_age_s = 0.01
    waiting = asyncio.ensure_future(app.fence.wait_for_predecessor())
    for _ in range(3):
        await asyncio.sleep(0)
    waits = not waiting.done()
    await waiting
    if end_regularly:
        await app.on_shutdown()
    else:
        app._release_dir.__self__._lock.release()  # as the kernel does for a killed process
    return waits


async def test_a_worker_that_reads_other_topics_than_before_becomes_ready(world: World):
    """As after an update: under its old id, the group would give it its old partitions, and it would refuse them."""
    async with run_app(_with_agent(world.make_app(), world, [])) as before:
        pass
    after = _with_agent(world.make_app(), world, [])

    @after.agent(after.raw_topic(world.topics.phone), name="more", isolated_partitions=True)
    async def more(stream: Any) -> None:
        async for _ in stream.events():
            pass

    async with run_app(after):
        assert {each.topic for each in after.assigned_partitions()} == {
            world.topics.outbound,
            world.topics.phone,
        }
    del before


async def test_a_start_does_not_sleep(world: World, monkeypatch: pytest.MonkeyPatch):
    """Faust's table manager would sleep for a second at each start, to wait for tables that are defined late."""
    slept: list[float] = []

    async def sleep(self: Any, seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(FaustTableManager, "sleep", sleep)
    app = _with_agent(world.make_app(), world, [])
    DurableTable(app, ROWS)
    async with run_app(app):
        assert slept == []


def _with_agent(app: App, world: World, seen: list[bytes]) -> App:
    @app.agent(app.raw_topic(world.topics.outbound), name="reader", isolated_partitions=True)
    async def reader(stream: Any) -> None:
        async for event in stream.events():
            seen.append(event.value)

    return app


async def test_a_worker_that_comes_back_waits_for_its_predecessor(world: World):
    """A suspended process may have our member id, and resume with its last heartbeat still fresh."""
    first = _with_agent(world.make_app(), world, [])
    DurableTable(first, ROWS)
    async with run_app(first):
        pass
    app = _with_agent(world.make_app(), world, [])
    rows = DurableTable(app, ROWS)
    shut, asked = asyncio.Event(), asyncio.Event()

    async def outwait() -> None:
        asked.set()
        await shut.wait()

    app.fence.wait_for_predecessor = outwait  # type: ignore[method-assign]
    starting = asyncio.ensure_future(app.start())
    await wait_until(asked.is_set)
    assert rows.owned_partitions() == []
    assert not app.readiness().is_ready
    shut.set()
    await starting
    await wait_until(lambda: app.readiness().is_ready)
    assert rows.owned_partitions() == [0, 1, 2, 3]
    await app.stop()


async def test_apps_of_one_process_have_their_own_fences(world: World):
    """And a consumer that belongs to no app updates none of them."""
    first = _with_agent(world.make_app(), world, [])
    second = _with_agent(
        create_app("other", world.settings, name="other-1", partitions=4), world, []
    )
    async with run_app(first), run_app(second):
        stranger = AIOKafkaConsumer(
            world.topics.status, **client_options(world.settings), group_id="stranger"
        )
        await stranger.start()
        await wait_until(stranger.assignment)
        first.fence.max_heartbeat_age_s = second.fence.max_heartbeat_age_s = 60.0
        stranger._coordinator.reset_generation()
        await first.fence.ensure_member()
        await second.fence.ensure_member()
        await stranger.stop()
        for app in (first, second):
            coordinator: Any = app.typed_consumer._thread._ensure_consumer()._coordinator
            assert coordinator._fence is app.fence
    await first.fence.check_before_write()


async def test_callbacks_run_in_order(world: World):
    """Each callback runs at its time in the life of the app, with the tables as promised."""
    said: list[str] = []
    app = _with_agent(world.make_app(), world, [])
    rows = DurableTable(app, ROWS)

    def note(what: str) -> Any:
        async def noted() -> None:
            said.append(
                f"{what}, {app.readiness().reason}, {len(rows.owned_partitions())} partitions"
            )

        return noted

    app.before_join(note("before join"))
    rows.on_recovered(note("recovered"))
    app.before_revocation(note("before giving back"))
    app.after_last_event(note("after last event"))
    assert app.readiness() == Readiness(False, "starting")
    async with run_app(app):
        said.append(app.readiness().reason)
    assert said == [
        "before join, starting, 0 partitions",
        "recovered, taking over partitions, 4 partitions",
        "ready",
        "before giving back, stopping, 4 partitions",
        "after last event, stopping, 4 partitions",
    ]


async def test_no_partition_is_revoked_during_a_recovery_callback(world: World):
    """A rebalance waits until the callbacks of the last recovery have returned."""
    said: list[str] = []
    go_on = asyncio.Event()
    app = _with_agent(world.make_app(), world, [])
    rows = DurableTable(app, ROWS)

    @rows.on_recovered
    async def recovered() -> None:
        said.append("recovered")
        await go_on.wait()
        await rows.write(0, [(b"k", b"v")])
        said.append("and went on")

    @app.before_revocation
    async def before_giving_back() -> None:
        said.append("giving back")

    starting = asyncio.ensure_future(app.start())
    await wait_until(lambda: said == ["recovered"])
    await request_rebalance(app)
    await wait_until(lambda: app.rebalancing_count > 1)
    await asyncio.wait([starting], timeout=0.5)
    assert said == ["recovered"]
    go_on.set()
    await starting
    await wait_until(lambda: app.readiness().is_ready and len(said) == 5)
    assert said == ["recovered", "and went on", "giving back", "recovered", "and went on"]
    await app.stop()


async def test_a_nacked_event_is_not_waited_for_and_is_read_again(world: World):
    """Nothing commits past it, and the next worker gets it."""
    reading = RecordingApp(world, hold_acks=True)
    app, kept = reading.app, reading.events

    async def give_back() -> None:
        kept[1].ack()
        app.nack(kept[0])
        app.nack(kept[2])

    app.before_revocation(give_back)
    async with run_app(app):
        await world.produce([b"0", b"1", b"2"])
        await wait_until(lambda: len(kept) == 3)
    assert await world.read_committed_offset() == 0
    seen: list[bytes] = []
    async with run_app(_with_agent(world.make_app(), world, seen)):
        await wait_until(lambda: seen == [b"0", b"1", b"2"])


async def test_an_acknowledgement_after_a_nack_has_no_effect(world: World):
    """The record has been delivered again since, and that event counts."""
    reading = RecordingApp(world, hold_acks=True)
    app, kept = reading.app, reading.events

    async def give_back() -> None:
        for event in kept:
            app.nack(event)

    app.before_revocation(give_back)
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
    app = _app(settings)

    @app.before_join
    async def listen() -> None:
        raise OSError("the port is taken")

    asyncio.run(admin.create_topics(settings))
    with pytest.raises(OSError, match="the port is taken"):
        worker.run(app, settings)


async def test_a_worker_without_partitions_stands_by(world: World):
    """Both workers are ready, and one of them says that it stands by."""
    lane = names(world.settings).send("main")

    def sender(name: str) -> App:
        app = create_app("sender", world.settings, name=name, partitions=1)

        @app.agent(app.raw_topic(lane), name="lane")
        async def work(stream: Any) -> None:
            async for _ in stream.events():
                pass

        return app

    async with run_app(sender("sender-1")) as one, run_app(sender("sender-2")) as two:
        await wait_until(lambda: one.readiness().is_ready)
        assert sorted((one.readiness().reason, two.readiness().reason)) == [
            "ready",
            "standing by: other workers have the partitions",
        ]
