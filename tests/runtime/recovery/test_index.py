"""The index of a table's rows, on the real broker: by a write and by a recovery it is the same."""

import shutil

import pytest

from streams.kafka.topics import ROWS
from streams.runtime.factory import App
from streams.runtime.store.index import INDEX_PREFIX, Index, IndexChange
from streams.runtime.table import DurableTable
from tests.runtime.reading import add_reader
from tests.runtime.world import World, run_app

pytestmark = pytest.mark.broker


def index_row(key: bytes, value: bytes | None) -> IndexChange | None:
    """The rows that begin with `p` and wait."""
    return (key, value == b"waits") if key.startswith(b"p") else None


def make_worker(world: World, version: bytes = b"1") -> tuple[App, DurableTable]:
    """A worker whose table has an index."""
    app = add_reader(world.make_app(), world, [])
    return app, DurableTable(app, ROWS, index=Index(version, index_row))


async def test_the_index_is_kept_recovered_and_rebuilt(
    world: World, caplog: pytest.LogCaptureFixture
):
    """After writes, on a kept disk, on an empty one, and where another version has made it, which is told once."""
    app, table = make_worker(world)
    async with run_app(app):
        waiting = [(b"p%03d" % number, b"waits") for number in range(300)]
        await table.write(0, [*waiting, (b"p1", b"idle"), (b"m1", b"waits")])
        await table.write(0, [(b"p000", b"idle"), (b"p001", None)])
        expected = list(table.scan_index(0))
        assert expected == [key for key, _ in waiting[2:]]
        assert not [key for key, _ in table.scan(0) if key.startswith(INDEX_PREFIX)]
    for version, is_disk_lost in ((b"1", False), (b"2", False), (b"2", True)):
        if is_disk_lost:
            shutil.rmtree(app.conf.appdir)
        app, table = make_worker(world, version)
        async with run_app(app):
            assert list(table.scan_index(0)) == expected
            assert len(list(table.scan(0))) == 301
    lines = [message for message in caplog.messages if "the index of another version" in message]
    assert len(lines) == 4  # one for each partition
