"""A store that was unused for too long, on a real RocksDB and the real broker: no deleted row comes back."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import OffsetAndTimestamp
from faust.types import TP

from streams.kafka import admin
from streams.kafka.connection import admin_client
from streams.kafka.topics import APPEND_TIME, TIMESTAMP_TYPE
from streams.runtime.recovery import service as recovery
from streams.runtime.store import quarantine
from streams.runtime.store.rows import TOPIC_ID_PREFIX
from streams.runtime.store.stale import StaleStores, StoreState
from streams.runtime.table import DurableTable
from tests.runtime.store.test_damage import Terminated, make_worker
from tests.runtime.world import World, run_app

DAY_S = 86_400.0
NOW_S = 1_800_000_000.0
CHANGELOG = TP("changelog", 0)


async def move_and_delete(world: World) -> DurableTable:
    """A row that one worker wrote is deleted by another one, and compaction has removed the tombstone."""
    app, rows = make_worker(world)
    async with run_app(app):
        await rows.write(0, [(b"kept", b"1"), (b"deleted", b"1")])
    send = world.producer.send_and_wait
    await send(rows.changelog, None, key=b"deleted", partition=0)
    last = await send(rows.changelog, b"2", key=b"kept", partition=0)
    async with admin_client(world.settings) as client:
        # Compaction keeps the newest record of each key. This does the same to these two, at once.
        config = {"cleanup.policy": "compact,delete", TIMESTAMP_TYPE: APPEND_TIME}
        await client.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, rows.changelog, config)]
        )
        partition = TopicPartition(rows.changelog, 0)
        await client.delete_records({partition: RecordsToDelete(before_offset=last.offset)})
    return rows


@pytest.mark.broker
@pytest.mark.parametrize(
    ("unused_s", "is_rebuilt"), [(0.0, False), (DAY_S / 2 - 60, False), (DAY_S / 2 + 60, True)]
)
async def test_a_deleted_row_does_not_come_back(
    world: World, caplog: pytest.LogCaptureFixture, unused_s: float, is_rebuilt: bool
):
    """A store that was unused for more than half the retention of tombstones is rebuilt, with one line and a count."""
    await move_and_delete(world)
    app, rows = make_worker(world)
    app.stale_stores.broker_time_s = lambda: time.time() + unused_s
    async with run_app(app):
        # Without the rebuild it is there: nothing in the log deletes it any more.
        assert (rows.get(0, b"deleted") is None) is is_rebuilt
        assert rows.get(0, b"kept") == b"2"
        assert rows.rebuilds == is_rebuilt
    lines = [line for line in caplog.messages if "was not used for more than 12.0 h" in line]
    assert len(lines) == is_rebuilt


@pytest.mark.broker
async def test_rows_of_a_deleted_changelog_do_not_mix_with_those_of_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """A store of another changelog ends the worker before a record is applied: the id of its log would be lost."""
    reasons: list[str] = []

    def terminate(_code: Any, reason: str) -> None:
        reasons.append(reason)
        raise Terminated

    monkeypatch.setattr(recovery, "terminate", terminate)
    app, rows = make_worker(world)
    async with run_app(app):
        await rows.write(0, [(b"a", b"1")])
        store = rows._store
        key = TOPIC_ID_PREFIX + rows.changelog.encode()
        store._db_for_partition(0).put(key, bytes(16))
    await world.producer.send_and_wait(rows.changelog, b"2", key=b"a", partition=0)
    app, _ = make_worker(world)
    tables: Any = app.tables
    part, partition = tables.recovery, TP(rows.changelog, 0)
    part.tp_to_table[partition] = app.tables[rows._table.name]
    with pytest.raises(Terminated):
        await part._check_changelog_ids({partition: 0})
    assert rows.changelog in reasons[0]
    await (await app.publisher.started_producer()).stop()


def read_at(first_safe_offset: int | None):
    """A changelog whose first record that is young enough has this offset."""

    async def read_offsets_at(times_ms: Mapping[TP, int]) -> dict[TP, OffsetAndTimestamp | None]:
        at = first_safe_offset
        return {
            tp: None if at is None else OffsetAndTimestamp(at, ms) for tp, ms in times_ms.items()
        }

    return read_offsets_at


@pytest.mark.parametrize(
    ("age_s", "offset", "first_safe_offset", "is_stale"),
    [
        (DAY_S / 2 - 1, 7, 9, False),  # whatever it lacks is younger than itself
        (DAY_S / 2 + 1, 8, 9, False),  # it is old, and all that it lacks is young
        (DAY_S / 2 + 1, 7, 9, True),
        (DAY_S / 2 + 1, 8, None, True),  # all that it lacks is old
        (None, 7, 9, True),  # it does not say how old it is
        (-60.0, 7, 9, True),  # the broker's clock was set back
    ],
)
async def test_only_what_a_store_lacks_makes_it_stale(
    age_s: float | None, offset: int, first_safe_offset: int | None, is_stale: bool
):
    """A store is stale if it may lack a record that is older than half the retention of tombstones."""

    async def read_retention_s(_topic: str) -> float:
        return DAY_S

    stores = StaleStores(read_retention_s)
    stores.broker_time_s = lambda: NOW_S
    state = StoreState(offset, None if age_s is None else NOW_S - age_s)
    stale = await stores.find({CHANGELOG: state}, read_at(first_safe_offset))
    assert stale == ({CHANGELOG: DAY_S / 2} if is_stale else {})


@pytest.mark.broker
async def test_the_age_follows_the_configuration_of_the_topic(world: World):
    """Whoever shortens the retention of tombstones shortens the time for which a store may be unused."""
    changelog = make_worker(world)[1].changelog
    assert await admin.read_tombstone_retention_s(world.settings, changelog) == DAY_S


def test_half_a_discarded_store_is_never_opened(tmp_path):
    """A store is renamed before it is deleted, and what an earlier process left of one is deleted too."""
    store, leftover = tmp_path / "rows-0.db", tmp_path / "rows-0.db.discarded-1"
    for folder in (store, leftover):
        folder.mkdir()
        (folder / "CURRENT").touch()
    quarantine.discard(store)
    assert not store.exists() and not leftover.exists()
    assert quarantine.count_rebuilds(tmp_path) == 1
