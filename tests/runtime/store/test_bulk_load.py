"""Loading many rows at once, on a real RocksDB: with room while it lasts, and with as little as before afterwards."""

from pathlib import Path

import pytest
from rocksdict import Options, Rdict, WriteBatch

from streams.runtime.store import memory
from streams.runtime.store.bulk_load import BulkLoad

WRITE_BUFFER_BYTES = 1 << 20


def make_batch(*keys: bytes) -> WriteBatch:
    batch = WriteBatch(raw_mode=True)
    for key in keys:
        batch.put(key, b"x")
    return batch


class Database:
    """A RocksDB that notes with which options it works, and when it writes its files."""

    def __init__(self, folder: Path) -> None:
        options = Options(raw_mode=True)
        options.set_write_buffer_manager(memory._shared_write_buffers())
        self.rocksdb = Rdict(str(folder), options)
        self.calls: list[str] = []
        self.write, self.get = self.rocksdb.write, self.rocksdb.get

    def set_options(self, options: dict[str, str]) -> None:
        self.rocksdb.set_options(options)
        self.calls.append(options["level0_file_num_compaction_trigger"])

    def flush(self) -> None:
        self.rocksdb.flush()
        self.calls.append("flush")


@pytest.fixture
def database(tmp_path: Path):
    opened = Database(tmp_path / "store")
    yield opened
    opened.rocksdb.close()


def read_limit() -> int:
    return memory._shared_write_buffers().get_buffer_size()


def test_a_load_has_room_and_gives_it_back(database: Database) -> None:
    """Its rows are in files before the store is used as usual; a second load begins as the first one did."""
    load = BulkLoad(WRITE_BUFFER_BYTES)
    for keys in ((b"a", b"b"), (b"c",)):
        load.write(0, database, make_batch(*keys))
    assert (load.partitions, database.calls) == ({0}, ["16"])
    assert read_limit() == memory.LOADING_WRITE_BUFFER_BYTES
    load.finish(0, database)
    load.forget()
    assert (load.partitions, database.calls) == (set(), ["16", "flush", "4"])
    assert read_limit() == memory.WRITE_BUFFER_BYTES
    assert [database.get(key) for key in (b"a", b"b", b"c")] == [b"x"] * 3
    load.write(0, database, make_batch(b"d"))
    load.finish(0, database)
    assert database.calls[3:] == ["16", "flush", "4"]
    load.forget()


def test_a_load_that_was_cut_off_leaves_no_room_taken(database: Database) -> None:
    """The partition was revoked: nobody finishes it."""
    load = BulkLoad(WRITE_BUFFER_BYTES)
    load.write(0, database, make_batch(b"a"))
    load.forget()
    assert load.partitions == set()
    assert read_limit() == memory.WRITE_BUFFER_BYTES
