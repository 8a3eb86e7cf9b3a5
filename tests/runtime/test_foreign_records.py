"""What others write into a table's changelog is noticed, on the real broker."""

import pytest
from faust.types import TP

from streams.kafka.topics import ROWS
from streams.runtime.factory import App
from streams.runtime.table import DurableTable
from tests.runtime.reading import add_reader
from tests.runtime.world import World, run_app

pytestmark = pytest.mark.broker

PARTITION = 0


def make_worker(world: World) -> tuple[App, DurableTable]:
    """A worker with a table, in the folder of the one before it."""
    app = add_reader(world.make_app(), world, [])
    return app, DurableTable(app, ROWS)


async def write(table: DurableTable, *keys: bytes) -> bool:
    """Write rows; returns whether they follow an own record."""
    return (await table.write(PARTITION, [(key, b"x") for key in keys])).follows_own


async def write_barrier(world: World, table: DurableTable) -> float:
    """As a resolver does; returns the append time."""
    record = await world.producer.send_and_wait(
        table.changelog, None, key=b"barrier", partition=PARTITION
    )
    return record.timestamp / 1000


async def test_a_foreign_record_is_noticed_by_the_next_write_and_by_a_recovery(world: World):
    """By one write only; and a recovery still reads it if nothing was written since then."""
    app, table = make_worker(world)
    async with run_app(app):
        assert await write(table, b"a")
        assert await write(table, *(b"%d" % number for number in range(20)))
        await write_barrier(world, table)
        assert (await table.write(1, [(b"a", b"x")])).follows_own
        assert not await write(table, b"a")
        assert await write(table, b"a")
        appended_s = await write_barrier(world, table)
        offset = table._store.persisted_offset(_changelog_partition(table))
        assert not await write(table, b"b", b"c")
        assert table._store.persisted_offset(_changelog_partition(table)) == offset
    await write_barrier(world, table)
    again, table = make_worker(world)
    async with run_app(again):
        assert table.latest_appended_s(PARTITION) >= appended_s
        assert table.get(PARTITION, b"c") == b"x"
        assert await write(table, b"d")


def _changelog_partition(table: DurableTable) -> TP:
    return TP(table.changelog, PARTITION)
