"""A worker as a member of its group: its name, its id, its predecessor, its fence, and a standby."""

import asyncio
import shutil
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from streams.kafka.connection import client_options
from streams.kafka.topics import ROWS, names
from streams.runtime.factory import App, WorkerAlreadyRunning, create_app
from streams.runtime.table import DurableTable
from streams.settings import Settings
from tests.runtime.reading import add_reader
from tests.runtime.world import World, run_app, wait_until

pytestmark = pytest.mark.broker


def make_app(settings: Settings, name: str = "dispatch-1") -> App:
    return create_app("app", settings, name=name, partitions=4)


async def test_one_name_is_one_worker(settings: Settings):
    """A second worker of the same name is refused until the first has ended."""
    first = make_app(settings)
    with pytest.raises(WorkerAlreadyRunning, match=r"dispatch-1 is already running .* --name"):
        make_app(settings)
    make_app(settings, "dispatch-2")
    await first.on_shutdown()
    make_app(settings)


async def test_a_worker_keeps_its_member_id_with_its_folder(settings: Settings):
    """It returns under the same member id until its folder is deleted."""
    members = []
    for _ in range(3):
        app = make_app(settings)
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
    app = make_app(settings)
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
    """After an update, the group would give its old partitions to its old id, and it would refuse them."""
    async with run_app(add_reader(world.make_app(), world, [])) as before:
        pass
    after = add_reader(world.make_app(), world, [])

    @after.agent(after.raw_topic(world.topics.phone), name="more", isolated_partitions=True)
    async def more(stream: Any) -> None:
        async for _ in stream.events():
            pass

    async with run_app(after):
        assert {tp.topic for tp in after.assigned_partitions()} == {
            world.topics.outbound,
            world.topics.phone,
        }
    del before


async def test_a_worker_that_comes_back_waits_for_its_predecessor(world: World):
    """A suspended process may have our member id, and resume with its last heartbeat still fresh."""
    first = add_reader(world.make_app(), world, [])
    DurableTable(first, ROWS)
    async with run_app(first):
        pass
    app = add_reader(world.make_app(), world, [])
    rows = DurableTable(app, ROWS)
    predecessor_is_fenced, is_waiting = asyncio.Event(), asyncio.Event()

    async def wait_for_predecessor() -> None:
        is_waiting.set()
        await predecessor_is_fenced.wait()

    app.fence.wait_for_predecessor = wait_for_predecessor  # type: ignore[method-assign]
    starting = asyncio.ensure_future(app.start())
    await wait_until(is_waiting.is_set)
    assert rows.owned_partitions() == []
    assert not app.readiness().is_ready
    predecessor_is_fenced.set()
    await starting
    await wait_until(lambda: app.readiness().is_ready)
    assert rows.owned_partitions() == [0, 1, 2, 3]
    await app.stop()


async def test_apps_of_one_process_have_their_own_fences(world: World):
    """A consumer that belongs to no app updates none of them."""
    first = add_reader(world.make_app(), world, [])
    second = add_reader(
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


async def test_a_worker_without_partitions_stands_by(world: World):
    """Both workers are ready, and one of them says that it stands by."""
    async with (
        run_app(make_sender(world.settings, "sender-1")) as one,
        run_app(make_sender(world.settings, "sender-2")) as two,
    ):
        await wait_until(lambda: one.readiness().is_ready)
        assert sorted((one.readiness().reason, two.readiness().reason)) == [
            "ready",
            "standing by: other workers have the partitions",
        ]


def make_sender(settings: Settings, name: str) -> App:
    """One of two members for one partition."""
    app = create_app("sender", settings, name=name, partitions=1, is_leaving_at_stop=True)

    @app.agent(app.raw_topic(names(settings).send("main")), name="send_topic")
    async def work(stream: Any) -> None:
        async for _ in stream.events():
            pass

    return app


async def test_a_standby_takes_over_as_soon_as_a_worker_has_stopped(world: World):
    """It does not wait for the end of the session, and gets the partition of a static member."""
    session_s = 20
    settings = replace(world.settings, kafka_session_timeout_s=session_s)
    async with run_app(make_sender(settings, "sender-1")) as first:
        assert first.assigned_partitions()
        standby = make_sender(settings, "sender-2")
        world.apps.append(standby)
        await standby.start()
        await wait_until(lambda: standby.readiness().is_ready)
        [active, waiting] = sorted((first, standby), key=lambda app: not app.assigned_partitions())
        await active.stop()
        await wait_until(lambda: waiting.assigned_partitions(), timeout_s=session_s / 2)
        await waiting.stop()
