"""Durable tables, on the real broker."""

import asyncio
import itertools
import random
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

from streams.kafka import reader
from streams.kafka.topics import ROWS
from streams.runtime.broker.publisher import AppStopped
from streams.runtime.factory import App
from streams.runtime.table import DurableTable, PartitionRevoked
from tests.runtime.world import World, run_app, wait_until

# It does not compress, so its size on the broker is its length.
NOISE = random.Random(1).randbytes(9_000_000)

pytestmark = pytest.mark.broker


@pytest.fixture
async def app(world: World) -> AsyncIterator[App]:
    app = world.make_app()
    app.rows = DurableTable(app, ROWS)
    _with_agent(app, world)
    async with run_app(app):
        yield app


def _with_agent(app: App, world: World) -> None:
    @app.agent(app.raw_topic(world.topics.outbound), name="idle", isolated_partitions=True)
    async def idle(stream) -> None:
        async for _ in stream.events():
            pass


@pytest.fixture
def rows(app: App) -> DurableTable:
    return app.rows


async def _changelog(world: World) -> list[reader.Record]:
    """The records of the changelog, without the table's internal ones."""
    records = await world.read_topic(f"{world.group}-rows-changelog")
    return [record for record in records if not (record.key or b"").startswith(b"__faust\0")]


async def test_a_write_is_in_the_changelog_when_it_returns(world: World, rows: DurableTable):
    """The changelog has every change in order, and reads see the result."""
    await rows.write(1, [(b"a", b"1"), (b"b", b"2"), (b"a", None)])
    records = await _changelog(world)
    assert [(record.partition, record.key, record.value) for record in records] == [
        (1, b"a", b"1"),
        (1, b"b", b"2"),
        (1, b"a", None),
    ]
    assert rows.get(1, b"a") is None
    assert rows.get(1, b"b") == b"2"
    assert rows.get(0, b"b") is None


async def test_a_write_may_come_from_any_task(rows: DurableTable):
    """Faust's own tables can be written only inside of a stream."""
    await asyncio.gather(
        *(rows.write(number % 4, [(b"%d" % number, b"x")]) for number in range(40))
    )
    assert [key for key, _ in rows.scan(1)] == sorted(b"%d" % number for number in range(1, 40, 4))


async def test_scan_gives_a_prefix_in_order_and_from_a_key_on(rows: DurableTable):
    """A scan is limited by a prefix and by the key after which it starts."""
    keys = [b"m%04d" % number for number in range(600)]
    await rows.write(2, [(key, key) for key in (b"l9", *reversed(keys), b"n")])
    assert [key for key, _ in rows.scan(2, b"m")] == keys
    assert [key for key, _ in rows.scan(2, b"m", after=b"m0255")] == keys[256:]
    assert [key for key, _ in rows.scan(2, b"m", after=b"m0599")] == []
    assert [key for key, _ in rows.scan(2)] == [b"l9", *keys, b"n"]


async def test_rows_may_be_written_during_a_scan(rows: DurableTable):
    """The scan holds no lock, and sees rows that are written ahead of it."""
    await rows.write(0, [(b"%04d" % number, b"x") for number in range(600)])
    seen = []
    for key, _ in rows.scan(0):
        seen.append(key)
        if len(seen) == 1:
            await rows.write(0, [(b"0599", None), (b"0600", b"new")])
    assert seen[-2:] == [b"0598", b"0600"]


async def test_nothing_is_written_by_an_empty_write(world: World, rows: DurableTable):
    """A write without changes does not reach the changelog."""
    await rows.write(0, [])
    assert await _changelog(world) == []


async def test_partitions_of_others_are_refused(rows: DurableTable):
    """Reads, scans and writes of a partition that is not assigned raise PartitionRevoked."""
    assert rows.owned_partitions() == [0, 1, 2, 3]
    with pytest.raises(PartitionRevoked):
        rows.get(4, b"a")
    with pytest.raises(PartitionRevoked):
        next(rows.scan(4))
    with pytest.raises(PartitionRevoked):
        await rows.write(4, [(b"a", b"1")])


async def test_a_write_larger_than_one_batch_is_written_whole(world: World, rows: DurableTable):
    """It is split into several batches."""
    value = b"x" * 300_000
    await rows.write(3, [(b"%d" % number, value) for number in range(5)])
    assert len(await _changelog(world)) == 5
    assert [key for key, _ in rows.scan(3)] == [b"%d" % number for number in range(5)]


async def test_rows_are_recovered_into_an_empty_folder(world: World, app: App, rows: DurableTable):
    """All rows come from the changelog, and deletions too."""
    await rows.write(0, [(b"%03d" % number, b"old") for number in range(300)])
    await rows.write(0, [(b"%03d" % number, b"new") for number in range(100)] + [(b"299", None)])
    other = await _with_empty_folder(app, world)
    table = DurableTable(other, ROWS)
    recovered: list[list[int]] = []
    table.on_recovered(lambda: recovered.append(table.owned_partitions()))
    _with_agent(other, world)
    async with run_app(other):
        rows_by_key = dict(table.scan(0))
    assert len(rows_by_key) == 299
    assert rows_by_key[b"000"] == b"new"
    assert rows_by_key[b"100"] == b"old"
    assert recovered[-1] == [0, 1, 2, 3]


async def _with_empty_folder(app: App, world: World) -> App:
    """The same worker once more, without its tables."""
    await app.stop()
    shutil.rmtree(app.conf.appdir)
    return world.make_app()


async def test_writes_from_anywhere_are_safe_while_partitions_move(
    world: World, app: App, rows: DurableTable
):
    """A write either returns and the new owner has it, or it raises PartitionRevoked."""
    acknowledged = dict.fromkeys(range(4), b"")
    refused: set[int] = set()

    async def write_on(partition: int) -> None:
        for number in itertools.count():
            try:
                await rows.write(partition, [(b"last", b"%d" % number)])
            except PartitionRevoked:
                refused.add(partition)
                return
            acknowledged[partition] = b"%d" % number

    writing = [asyncio.ensure_future(write_on(partition)) for partition in range(4)]
    other = world.make_app("dispatch-2")
    table = DurableTable(other, ROWS)
    _with_agent(other, world)
    async with run_app(other):
        await wait_until(lambda: len(refused) == 2)
        assert set(table.owned_partitions()) == refused
        assert set(rows.owned_partitions()) == {0, 1, 2, 3} - refused
        for partition in refused:
            assert table.get(partition, b"last") == acknowledged[partition]
        for write in writing:
            write.cancel()


async def test_a_revocation_waits_for_writes_in_progress(
    rows: DurableTable, monkeypatch: pytest.MonkeyPatch
):
    """Later writes wait until it is known who owns the partitions."""
    acknowledge, into_changelog = asyncio.Event(), rows._changelog_writer.write

    async def slowly(*given: Any) -> int:
        await acknowledge.wait()
        return await into_changelog(*given)

    monkeypatch.setattr(rows._changelog_writer, "write", slowly)
    begun = asyncio.ensure_future(rows.write(0, [(b"k", b"begun")]))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(rows.close())
    late = asyncio.ensure_future(rows.write(0, [(b"k", b"late")]))
    done, _ = await asyncio.wait([begun, closing, late], timeout=0.2)
    assert not done
    acknowledge.set()
    await asyncio.gather(begun, closing)
    assert rows.get(0, b"k") == b"begun"
    assert rows.owned_partitions() == []
    assert not late.done()
    await rows._after_recovery()
    await late
    assert rows.get(0, b"k") == b"late"


async def test_a_write_in_progress_is_completed_without_its_caller(rows: DurableTable):
    """What is in the changelog must be in the table too, even if the caller is cancelled."""
    writing = asyncio.ensure_future(rows.write(0, [(b"k", b"v")]))
    await asyncio.sleep(0)
    writing.cancel()
    await wait_until(lambda: rows.get(0, b"k") == b"v")


async def test_after_the_stop_writes_are_refused(world: World, app: App, rows: DurableTable):
    """Records and rows raise AppStopped."""
    await app.stop()
    with pytest.raises(AppStopped):
        await app.publisher.publish(world.topics.status, b"x")
    with pytest.raises(AppStopped):
        await rows.write(0, [(b"k", b"x")])
