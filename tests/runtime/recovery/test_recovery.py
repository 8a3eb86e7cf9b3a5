"""The recovery of a table, on the real broker: whole, in order, and only into the stores of this process."""

import asyncio
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError

from streams.kafka.connection import admin_client, producer_options
from streams.kafka.topics import ROWS
from streams.runtime.factory import App
from streams.runtime.recovery import changelogs
from streams.runtime.table import DurableTable
from tests.runtime.reading import add_reader
from tests.runtime.world import World, request_rebalance, run_app, wait_until

pytestmark = pytest.mark.broker

ROW_COUNT = 300


def make_worker(world: World, name: str = "dispatch-1") -> tuple[App, DurableTable]:
    """The worker of this name, with a table."""
    app = add_reader(world.make_app(name), world, [])
    return app, DurableTable(app, ROWS)


async def fill(world: World, *, value: bytes = b"x", partition: int = 0) -> str:
    """Write rows into a partition of the changelog; returns its name."""
    app, table = make_worker(world)
    await app.stop()
    sends = [
        await world.producer.send(table.changelog, value, key=b"%03d" % number, partition=partition)
        for number in range(ROW_COUNT)
    ]
    await asyncio.gather(*sends)
    return table.changelog


def replace_getmany(monkeypatch: pytest.MonkeyPatch, alter: Callable[[Any, Any], Any]) -> None:
    """Let `alter(consumer, batches)` choose what the reader of changelogs gets. It may raise."""
    getmany = AIOKafkaConsumer.getmany

    async def altered(self: Any, *partitions: Any, **options: Any) -> Any:
        batches = await getmany(self, *partitions, **options)
        return alter(self, batches) if options.get("max_records") else batches

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", altered)


async def read_rows(app: App, table: DurableTable, partition: int = 0) -> dict[bytes, bytes]:
    """What a recovery makes of the changelog."""
    async with run_app(app):
        return dict(table.scan(partition))


def lose_batch(batches: Any) -> Any:
    """The whole of it, and nothing else comes with it."""
    return {}


def lose_beginning(batches: Any) -> Any:
    """Ten records of it."""
    for batch in batches.values():
        batch.start_offset = batch[10].offset
        del batch[:10]
    return batches


@pytest.mark.parametrize(
    ("lose", "lost_number"), [(lose_beginning, 2), (lose_batch, 2), (lose_batch, 6)]
)
async def test_records_that_were_lost_on_their_way_are_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Any], Any], lost_number: int
):
    """Otherwise the table would have a hole that nobody notices: in the middle, and at the very end."""
    await fill(world)
    monkeypatch.setattr(changelogs, "_CHUNK_RECORDS", 50)
    numbers: list[int] = []

    def lose_one(_consumer: Any, batches: Any) -> Any:
        if not batches:
            return batches
        numbers.append(len(numbers) + 1)
        return lose(batches) if numbers[-1] == lost_number else batches

    replace_getmany(monkeypatch, lose_one)
    app, table = make_worker(world)
    assert len(await read_rows(app, table)) == ROW_COUNT
    assert len(numbers) > lost_number


async def test_a_broker_that_goes_away_delays_the_recovery(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Each record is read once: a new consumer goes on where the last one was."""
    await fill(world)
    monkeypatch.setattr(changelogs, "_CHUNK_RECORDS", 100)
    consumers: list[Any] = []

    def fail_once_each(consumer: Any, batches: Any) -> Any:
        if batches and consumer not in consumers:
            consumers.append(consumer)
            return batches
        if len(consumers) < 3:
            raise KafkaConnectionError("away")
        return batches

    replace_getmany(monkeypatch, fail_once_each)
    app, table = make_worker(world)
    assert len(await read_rows(app, table)) == ROW_COUNT
    assert len(consumers) == 3


async def test_records_of_aborted_transactions_are_not_rows(world: World):
    """Not in the middle, and not at the end, where nothing follows them."""
    changelog = await fill(world)
    producer = AIOKafkaProducer(
        **producer_options(world.settings), transactional_id=world.settings.topic_prefix
    )
    await producer.start()
    for number in range(2):
        await producer.begin_transaction()
        await producer.send_and_wait(changelog, b"ghost", key=b"ghost", partition=0)
        await producer.abort_transaction()
        if number == 0:
            await world.producer.send_and_wait(changelog, b"y", key=b"000", partition=0)
    await producer.stop()
    app, table = make_worker(world)
    rows = await read_rows(app, table)
    assert b"ghost" not in rows
    assert rows[b"000"] == b"y"
    assert len(rows) == ROW_COUNT


async def test_records_deleted_before_they_were_recovered_are_reported(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """They cannot be recovered by anybody; the recovery goes on with what there is."""
    changelog = await fill(world)
    start = AIOKafkaConsumer.start
    is_deleted: list[bool] = []

    async def delete_and_start(self: Any) -> None:
        if self._group_id is None and not is_deleted:
            is_deleted.append(True)
            await _delete_before(world, changelog, 100)
        await start(self)

    monkeypatch.setattr(AIOKafkaConsumer, "start", delete_and_start)
    app, table = make_worker(world)
    assert len(await read_rows(app, table)) == ROW_COUNT - 100
    assert any("offsets 0 to 99 were deleted" in message for message in caplog.messages)


async def _delete_before(world: World, topic: str, offset: int) -> None:
    async with admin_client(world.settings) as client:
        config = {"cleanup.policy": "compact,delete"}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
        partition = TopicPartition(topic, 0)
        await client.delete_records({partition: RecordsToDelete(before_offset=offset)})


async def test_a_rebalance_in_the_middle_begins_the_recovery_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Nothing is written for an assignment that has ended, and nothing is missing in the end."""
    await fill(world)
    await fill(world, partition=1)
    monkeypatch.setattr(changelogs, "_CHUNK_RECORDS", 50)
    app, table = make_worker(world)
    generations: list[int] = []
    load, revoked = table._store.load, asyncio.Event()

    def noted(partition: int, records: Any, next_offset: int) -> None:
        generations.append(app.consumer_generation_id)
        load(partition, records, next_offset)
        if len(generations) == 2:
            app.add_future(_rebalance(app, revoked))

    getmany = AIOKafkaConsumer.getmany

    async def wait_for_revocation(self: Any, *partitions: Any, **options: Any) -> Any:
        batches = await getmany(self, *partitions, **options)
        if options.get("max_records") and len(generations) >= 2:
            await revoked.wait()
        return batches

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", wait_for_revocation)
    monkeypatch.setattr(table._store, "load", noted)
    async with run_app(app):
        assert [len(list(table.scan(partition))) for partition in (0, 1)] == [ROW_COUNT] * 2
        # Nothing was loaded between the revocation and the assignment, which both begin a generation.
        assert set(generations) == {generations[0], app.consumer_generation_id}


async def _rebalance(app: App, revoked: asyncio.Event) -> None:
    """Rebalance, and set the event as soon as the partitions are revoked."""
    consumer: Any = app.typed_consumer
    start_generation, loop = consumer.start_generation, asyncio.get_running_loop()

    def noted() -> int:
        loop.call_soon_threadsafe(revoked.set)
        return start_generation()

    consumer.start_generation = noted
    await request_rebalance(app)


async def test_a_stop_ends_a_recovery(world: World, monkeypatch: pytest.MonkeyPatch):
    """It waits for no broker; what was loaded is of use to the next start, which reads the rest."""
    await fill(world)
    monkeypatch.setattr(changelogs, "_CHUNK_RECORDS", 50)
    app, table = make_worker(world)
    loaded: list[int] = []
    load, getmany = table._store.load, AIOKafkaConsumer.getmany

    def noted(partition: int, records: Any, next_offset: int) -> None:
        loaded.append(next_offset)
        load(partition, records, next_offset)

    async def stall(self: Any, *partitions: Any, **options: Any) -> Any:
        if options.get("max_records") and len(loaded) >= 2:
            await asyncio.Event().wait()
        return await getmany(self, *partitions, **options)

    with monkeypatch.context() as patched:
        patched.setattr(AIOKafkaConsumer, "getmany", stall)
        patched.setattr(table._store, "load", noted)
        starting = asyncio.ensure_future(app.start())  # returns after the recovery
        await wait_until(lambda: len(loaded) == 2)
        assert app.readiness().reason == "recovering the tables: 100 of 300 records (33 %)"
        await app.stop()
        await starting
    again, table = make_worker(world)
    starts: list[int] = []
    load_again = table._store.load

    def note_start(partition: int, records: Any, next_offset: int) -> None:
        starts.append(records[0].offset)
        load_again(partition, records, next_offset)

    monkeypatch.setattr(table._store, "load", note_start)
    assert len(await read_rows(again, table)) == ROW_COUNT
    assert starts[0] == 100


async def test_what_was_loaded_survives_a_kill(world: World):
    """It is not in RocksDB's log, so it is in files before anything else is written, or its offset is lost too."""
    await fill(world)
    app, table = make_worker(world)
    async with run_app(app):
        await table.write(0, [(b"later", b"1")])
        copy = world.settings.data_dir / "copy.db"
        shutil.copytree(table._store.partition_path(0), copy)  # what a kill would leave
    database = table._store.rocksdb_options.open(copy)
    assert database.get(b"later") == b"1"
    assert database.get(b"000") == b"x"
    database.close()
