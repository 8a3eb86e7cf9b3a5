"""`wa.outbound` may have any number of partitions, and get more while workers run; the tables stay where they are."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import NewTopic

from streams.kafka import admin, connection
from streams.kafka.topics import ROWS, names, required_topics
from streams.runtime import factory
from streams.runtime.factory import App
from streams.runtime.table import DurableTable
from streams.settings import Settings
from tests.runtime.world import World, create_world, run_app, wait_until
from tests.support.broker import add_partitions

pytestmark = pytest.mark.broker


async def create_outbound(settings: Settings, partitions: int) -> None:
    name = names(settings).outbound
    spec = next(spec for spec in required_topics(settings) if spec.name == name)
    async with connection.admin_client(settings) as client:
        await client.create_topics([NewTopic(name, partitions, 1, topic_configs=spec.config)])


def make_worker(world: World, name: str, values: list[bytes]) -> tuple[App, DurableTable]:
    """A worker like a dispatcher: it reads the users' topic and the phone log, and has a table."""
    app = world.make_app(name)
    rows = DurableTable(app, ROWS)

    async def read(stream: Any) -> None:
        async for event in stream.events():
            values.append(event.value)

    for topic, is_free in ((world.topics.outbound, True), (world.topics.phone, False)):
        app.agent(
            app.raw_topic(topic, is_free=is_free), name=f"read-{topic}", isolated_partitions=True
        )(read)
    return app, rows


async def produce_everywhere(world: World, partitions: int, text: str) -> set[bytes]:
    """One record in each partition; returns their values."""
    values = [f"{text}-{number}".encode() for number in range(partitions)]
    for number, value in enumerate(values):
        await world.produce([value], partition=number)
    return set(values)


@pytest.mark.parametrize("partitions", [1, 64])
async def test_every_partition_is_read(settings: Settings, partitions: int) -> None:
    """The check of the topics accepts any number, and the worker becomes ready."""
    await create_outbound(settings, partitions)
    async with create_world(settings) as world:
        assert await admin.check_topics(settings) == []
        values: list[bytes] = []
        app, rows = make_worker(world, "dispatch-1", values)
        async with run_app(app):
            produced = await produce_everywhere(world, partitions, "record")
            await wait_until(lambda: produced <= set(values))
            assert rows.owned_partitions() == [0, 1, 2, 3]


async def test_the_users_topic_is_assigned_by_itself(world: World) -> None:
    """Also while it has as many partitions as the tables: it would take them with it when it gets more."""
    app, rows = make_worker(world, "dispatch-1", [])
    topics = {world.topics.outbound, world.topics.phone, rows.changelog}
    cluster: Any = SimpleNamespace(partitions_for_topic=lambda topic: {0, 1, 2, 3})
    subscriptions: Any = {"dispatch-1": topics}
    groups = app.assignor._get_copartitioned_groups(topics, cluster, subscriptions)
    assert sorted(map(sorted, groups[4])) == sorted(
        map(sorted, [{world.topics.outbound}, {world.topics.phone, rows.changelog}])
    )


async def test_partitions_that_are_added_are_read_without_a_restart(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 3 to the number of the tables' partitions, and beyond: the tables never move, and a restart works."""
    monkeypatch.setattr(factory, "_METADATA_MAX_AGE_MS", 500)
    await create_outbound(settings, 3)
    async with create_world(settings) as world:
        values: list[bytes] = []
        (first, rows_1), (second, rows_2) = (
            make_worker(world, name, values) for name in ("dispatch-1", "dispatch-2")
        )
        async with run_app(first), run_app(second):
            await wait_until(lambda: len(rows_1.owned_partitions()) == 2)
            owned = rows_1.owned_partitions(), rows_2.owned_partitions()
            produced = await produce_everywhere(world, 3, "before")
            for total in (4, 6):
                await add_partitions(settings, names(settings).outbound, total)
                await wait_until(lambda n=total: count_assigned(world, first, second) == n)
                await world.producer.client.force_metadata_update()
                produced.update(await produce_everywhere(world, total, f"with-{total}"))
                await wait_until(lambda expected=produced: expected <= set(values))
                await wait_until(lambda: first.readiness().is_ready)
                await wait_until(lambda: second.readiness().is_ready)
                assert (rows_1.owned_partitions(), rows_2.owned_partitions()) == owned
            assert await admin.check_topics(settings) == []
        count = len(values)
        again, rows = make_worker(world, "dispatch-1", values)
        async with run_app(again):
            after = await produce_everywhere(world, 6, "after")
            await wait_until(lambda: after <= set(values))
            assert rows.owned_partitions() == [0, 1, 2, 3]
        assert sorted(values[count:]) == sorted(after)  # each partition goes on where it was


def count_assigned(world: World, *apps: App) -> int:
    """How many partitions of the users' topic the apps work on."""
    topic = world.topics.outbound
    return sum(tp.topic == topic for app in apps for tp in app.assigned_partitions())


async def test_the_other_topics_keep_their_number(settings: Settings) -> None:
    """The number of partitions of the phone log decides where the rows of a recipient are."""
    await admin.create_topics(settings)
    name = names(settings).phone
    await add_partitions(settings, name, 5)
    (problem,) = await admin.check_topics(settings)
    assert str(problem).startswith(f"{name}: found 5 partitions, needs 4; set WA_PARTITIONS")
