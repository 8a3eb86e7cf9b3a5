"""Reading the status events from a position that the caller keeps, and as a consumer group."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from streams.client import PositionLost, TopicNotFound, WhatsApp
from streams.client import groups as client_groups
from streams.client.positions import Position, parse_position
from streams.contract import status as wire
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.connection import admin_client, producer_options
from streams.kafka.topics import names
from streams.settings import Settings
from tests.support.broker import add_partitions, make_settings

pytestmark = pytest.mark.broker

PHONE = "+60123456789"


@pytest.fixture
async def world(broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[Settings]:
    """Topics for one test."""
    settings = make_settings(broker, tmp_path)
    await admin.create_topics(settings)
    async with asyncio.timeout(60):
        yield settings


async def publish(settings: Settings, *ids: str, partition: int | None = None) -> None:
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        for id in ids:
            event = wire.make(
                id=id, status="sent", event_id_suffix="1", at_s=1.0, to=PHONE, metadata=b'{"n":1}'
            )
            value = wire.encode(event)
            await producer.send_and_wait(names(settings).status, value, partition=partition)


async def read(whatsapp: WhatsApp, count: int, **start: object) -> list[tuple[str, str | None]]:
    """The ids and positions of so many events; the last one is not handled."""
    async with aclosing(whatsapp.statuses(**start)) as events:  # type: ignore[arg-type]
        taken = [await anext(events) for _ in range(count)]
    return [(event.id, event.position) for event in taken]


async def test_reading_resumes_after_any_event(world: Settings) -> None:
    """Also in partitions that were added since, and the metadata are a dict."""
    await publish(world, *(f"m{number}" for number in range(9)))
    async with WhatsApp(settings=world) as whatsapp:
        events = [event async for event in whatsapp.history()]
        assert [event.metadata for event in events] == [{"n": 1}] * 9
        ids = [event.id for event in events]
        assert sorted(ids) == [f"m{number}" for number in range(9)]
        for number in (0, 4, 7):
            resumed = await read(whatsapp, 8 - number, after=events[number].position)
            assert sorted(id for id, _ in resumed) == sorted(ids[number + 1 :])
        await add_partitions(world, names(world).status, world.partitions + 1)
        await publish(world, "added", partition=world.partitions)
        [(id, position)] = await read(whatsapp, 1, after=events[-1].position)
        assert id == "added"
        await publish(world, "next", partition=0)
        assert (await read(whatsapp, 1, after=position))[0][0] == "next"


async def test_a_position_that_the_log_has_lost_is_an_error(world: Settings) -> None:
    """With skip_lost, reading goes on with the oldest event that is kept; a group has the same rule."""
    await publish(world, "a", "b", "c", partition=0)
    async with WhatsApp(settings=world) as whatsapp:
        first = await anext(whatsapp.history())
        await read(whatsapp, 2, group="billing")  # commits the first
        async with admin_client(world) as client:
            partition = TopicPartition(names(world).status, 0)
            await client.delete_records({partition: RecordsToDelete(before_offset=2)})
        with pytest.raises(PositionLost, match="skip_lost"):
            await read(whatsapp, 1, after=first.position)
        with pytest.raises(PositionLost, match="skip_lost"):
            await read(whatsapp, 1, group="billing")
        for start in ({"after": first.position}, {"group": "billing"}):
            assert (await read(whatsapp, 1, skip_lost=True, **start))[0][0] == "c"


async def test_a_group_gets_every_event_and_commits_what_was_handled(
    world: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event at which a program stopped comes again, those before it do not."""
    monkeypatch.setattr(client_groups, "COMMIT_INTERVAL_S", 0.0)
    await publish(world, *"abcd", partition=0)
    async with WhatsApp(settings=world) as whatsapp:
        assert [id for id, _ in await read(whatsapp, 3, group="audit")] == ["a", "b", "c"]
        assert await read(whatsapp, 2, group="audit") == [("c", None), ("d", None)]
        await publish(world, "e", partition=1)
        assert {id for id, _ in await read(whatsapp, 2, group="audit")} == {"d", "e"}


async def test_status_of_one_recipient(world: Settings) -> None:
    """An id is per recipient."""
    await publish(world, "same")
    async with WhatsApp(settings=world) as whatsapp:
        assert await whatsapp.status("same", "+60 12-345 6789") is not None
        assert await whatsapp.status("same", "+60123456780") is None


async def test_a_missing_topic_is_an_error_at_once(world: Settings) -> None:
    """aiokafka would look for it for 40 s, and a broker might create it."""
    other = replace(world, topic_prefix=f"{world.topic_prefix}-other")
    async with asyncio.timeout(60), WhatsApp(settings=other) as whatsapp:
        for send in (
            whatsapp.send(PHONE, "x"),
            whatsapp.send_batch([{"to": PHONE, "text": "x"}]),
        ):
            with pytest.raises(TopicNotFound, match="wa-streams topics create"):
                await send


def test_a_position_is_for_one_topic_and_one_log() -> None:
    """A recreated or a truncated topic has other events under the same offsets."""
    position = parse_position(f"{'a' * 32}:3,0,7")
    assert (str(position), position.offsets) == (f"{'a' * 32}:3,0,7", {0: 3, 1: 0, 2: 7})
    ends = {0: 3, 1: 0, 2: 7}
    position.require_kept("t", "a" * 32, {}, ends)
    for topic_id, starts, these_ends, text in (
        ("b" * 32, {}, ends, "recreated"),
        ("a" * 32, {2: 8}, ends, "removed"),
        ("a" * 32, {}, {**ends, 2: 6}, "truncated"),
    ):
        with pytest.raises(PositionLost, match=text):
            position.require_kept("t", topic_id, starts, these_ends)
    assert str(Position("c" * 32, {2: 5})) == f"{'c' * 32}:0,0,5"
