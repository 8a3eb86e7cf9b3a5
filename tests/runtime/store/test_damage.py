"""Damaged stores, on real RocksDBs and the real broker: a worker rebuilds them once, and loses nothing."""

import asyncio
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from faust.types import TP

from streams.kafka.topics import ROWS
from streams.runtime.exit_codes import ExitCode
from streams.runtime.factory import App
from streams.runtime.store import local_store
from streams.runtime.store.rows import UndecodableRow
from streams.runtime.table import DurableTable
from tests.runtime.world import WAIT_TIMEOUT_S, World, run_app

pytestmark = pytest.mark.broker

ROW_COUNT = 100


class Terminated(BaseException):
    """The process would have ended here; not an Exception, so that nobody catches it."""


@pytest.fixture(autouse=True)
def ended_with(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ExitCode, str]]:
    """Why the process would have ended."""
    reasons: list[tuple[ExitCode, str]] = []

    def terminate(code: ExitCode, reason: str) -> None:
        reasons.append((code, reason))
        raise Terminated

    monkeypatch.setattr(local_store, "terminate", terminate)
    return reasons


def make_worker(world: World, check_row: Any = None) -> tuple[App, DurableTable]:
    """The same worker once more, as after a restart."""
    app = world.make_app()
    options = {} if check_row is None else {"check_row": check_row}
    rows = DurableTable(app, ROWS, **options)

    @app.agent(app.raw_topic(world.topics.outbound), name="idle", isolated_partitions=True)
    async def idle(stream: Any) -> None:
        async for _ in stream.events():
            pass

    return app, rows


async def write_rows(world: World) -> None:
    """Rows in partition 0. After a second start they are in an SST file."""
    app, rows = make_worker(world)
    async with run_app(app), asyncio.timeout(WAIT_TIMEOUT_S):  # for the store of the partition
        await rows.write(0, [(b"%03d" % number, b"x" * 200) for number in range(ROW_COUNT)])
    app, rows = make_worker(world)
    async with run_app(app):
        assert len(list(rows.scan(0))) == ROW_COUNT


def get_store(world: World, partition: int = 0) -> Path:
    (store,) = (world.settings.data_dir / "tables").rglob(f"rows-{partition}.db")
    return store


def flip_bytes(files: Iterable[Path], start: float = 0.0) -> None:
    """Damage the content of files from this share of their length on, in place, as a bad disk does."""
    for file in files:
        content = bytearray(file.read_bytes())
        for index in range(int(len(content) * start) + 10, len(content) - 1000, 50):
            content[index] ^= 0xFF
        file.write_bytes(content)


READS: dict[str, Callable[[DurableTable], object]] = {
    "get": lambda rows: rows.get(0, b"090"),
    "scan": lambda rows: list(rows.scan(0, after=b"050")),
}


@pytest.mark.parametrize("operation", READS)
async def test_a_corrupt_file_is_noticed_by_a_read(
    world: World, ended_with: list[tuple[ExitCode, str]], operation: str
):
    """A read neither raises into an event nor ends early: the process ends, and the next start has every row."""
    await write_rows(world)
    app, rows = make_worker(world)
    async with run_app(app):
        flip_bytes(get_store(world).glob("*.sst"), start=0.3)
        with pytest.raises(Terminated):
            READS[operation](rows)
    [(code, reason)] = ended_with
    assert code is ExitCode.STORE_DAMAGED
    assert f"{rows.changelog} partition 0 is damaged" in reason
    app, rows = make_worker(world)
    async with run_app(app):
        assert len(list(rows.scan(0))) == ROW_COUNT
        assert rows.rebuilds == 1


async def test_a_store_that_does_not_open_is_rebuilt_at_once(
    world: World, caplog: pytest.LogCaptureFixture
):
    """The worker becomes ready with every row, and one line names the partition and the copy."""
    await write_rows(world)
    (get_store(world) / "CURRENT").write_text("garbage")
    app, rows = make_worker(world)
    async with run_app(app):
        assert len(list(rows.scan(0))) == ROW_COUNT
        assert rows.rebuilds == 1
    [line] = [record.getMessage() for record in caplog.records if "set aside" in record.msg]
    assert re.search(
        r"rows-changelog partition 0 cannot be read, is set aside as .*rows-0\.db\.damaged-", line
    )


async def test_a_store_that_is_damaged_again_needs_a_person(
    world: World, ended_with: list[tuple[ExitCode, str]]
):
    """It is not rebuilt for ever: the reason names partition, folder and what to do."""
    await write_rows(world)
    (get_store(world) / "CURRENT").write_text("garbage")
    app, _ = make_worker(world)
    async with run_app(app):
        pass
    (get_store(world) / "CURRENT").write_text("garbage")
    app, rows = make_worker(world)
    with pytest.raises(Terminated):
        rows._store._open_for_partition(0)
    [(code, reason)] = ended_with
    assert code is ExitCode.STORE_DAMAGED
    assert "partition 0 is damaged again after its rebuild" in reason
    assert f"delete {get_store(world)}" in reason


async def test_an_offset_that_cannot_be_read_is_damage(
    world: World, ended_with: list[tuple[ExitCode, str]]
):
    """Nobody knows from where such a store would have to be recovered."""
    app, rows = make_worker(world)
    async with run_app(app):
        rows._store._dbs[0].put(rows._store.offset_key, b"garbage")
        with pytest.raises(Terminated):
            rows._store.persisted_offset(TP(rows.changelog, 0))
    assert ended_with[0][0] is ExitCode.STORE_DAMAGED


async def test_what_is_not_a_row_is_not_recovered(world: World, caplog: pytest.LogCaptureFixture):
    """Poison in the changelog is skipped, counted and logged with its position; the rows around it are there."""

    def check_row(key: bytes, value: bytes) -> None:
        if value != b"good":
            raise UndecodableRow("a row cannot be decoded")

    app, rows = make_worker(world)
    for key, value in ((b"a", b"good"), (b"b", b"poison"), (b"__faust\0offset__", b"7")):
        await world.producer.send_and_wait(rows.changelog, value, key=key, partition=0)
    await app.stop()
    app, rows = make_worker(world, check_row)
    async with run_app(app):
        await rows.write(0, [(b"c", b"good")])
        assert dict(rows.scan(0)) == {b"a": b"good", b"c": b"good"}
        assert rows.skipped_records == 2
    lines = [record.getMessage() for record in caplog.records if "is skipped" in record.msg]
    assert lines[0].startswith(f"record 1 of {rows.changelog} partition 0 is skipped: a row")
    assert len(lines) == 2


async def test_rows_of_another_version_are_not_dropped(
    world: World, ended_with: list[tuple[ExitCode, str]], monkeypatch: pytest.MonkeyPatch
):
    """If many rows cannot be decoded, the worker ends: without them, messages would be sent again."""
    monkeypatch.setattr(local_store, "MAX_UNDECODABLE_ROWS", 3)

    def refuse(key: bytes, value: bytes) -> None:
        raise UndecodableRow("a row cannot be decoded")

    app, rows = make_worker(world, refuse)
    store, database = rows._store, {}
    monkeypatch.setattr(store, "_db_for_partition", lambda partition: database)
    messages = [_Record(number) for number in range(5)]
    with pytest.raises(Terminated):
        store.load(0, messages, 5)
    assert ended_with[0][0] is ExitCode.STORE_DAMAGED
    assert "partition 0 cannot be decoded, the last at offset 3" in ended_with[0][1]
    await app.stop()


class _Record:
    """A record of the changelog."""

    key, value, timestamp = b"k", b"newer", 0

    def __init__(self, offset: int) -> None:
        self.offset = offset
