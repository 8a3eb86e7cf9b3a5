"""How many rows are written to a store at once, in a recovery: unlogged, into large buffers, with few compactions.

Nothing of it is certain before `finish`: after a crash, the store is as it was at some earlier time, and says so by the
offset that is in the same batch as the rows. What was postponed is done by RocksDB's own threads afterwards.
"""

from typing import Final

from rocksdict import Rdict, WriteBatch, WriteOptions

from streams.runtime.store import memory

_UNLOGGED: Final = WriteOptions()
_UNLOGGED.disable_wal = True  # type: ignore[method-assign,assignment]  # a property; the stub is wrong
# A row that is written once must not be compacted many times: files are merged when there are 16, and not 4.
_LOADING: Final = {
    "level0_file_num_compaction_trigger": "16",
    "level0_slowdown_writes_trigger": "32",
    "level0_stop_writes_trigger": "48",
    "write_buffer_size": str(16 << 20),
}


class BulkLoad:
    """The stores of one table that are being filled. `partitions`: their newest rows are in memory only."""

    def __init__(self, write_buffer_bytes: int) -> None:
        """`write_buffer_bytes`: of a store, after its load."""
        self.partitions: set[int] = set()
        # What the indexes of stores have that were empty: only for what is in an index is a removal written.
        self.index_keys: dict[int, set[bytes]] = {}
        self._usual = {
            "level0_file_num_compaction_trigger": "4",
            "level0_slowdown_writes_trigger": "20",
            "level0_stop_writes_trigger": "36",
            "write_buffer_size": str(write_buffer_bytes),
        }  # but for the last, RocksDB's defaults

    def note_opened(self, partition: int, *, is_empty: bool) -> None:
        """The partition's store was opened; what was known of an earlier one counts no more."""
        self.partitions.discard(partition)
        self.index_keys.pop(partition, None)
        if is_empty:
            self.index_keys[partition] = set()

    def write(self, partition: int, database: Rdict, changes: WriteBatch) -> None:
        """Write one batch; the first one of a partition begins its load."""
        if partition not in self.partitions:
            self.partitions.add(partition)
            database.set_options(_LOADING)
            memory.set_write_buffer_bytes(memory.LOADING_WRITE_BUFFER_BYTES)
        database.write(changes, _UNLOGGED)

    def finish(self, partition: int, database: Rdict) -> None:
        """Write what was loaded to files, before anything else is written."""
        database.flush()
        database.set_options(self._usual)
        self.partitions.discard(partition)

    def forget(self) -> None:
        """No store is being filled any more: the others were closed, and have an earlier offset."""
        self.partitions.clear()
        self.index_keys.clear()
        memory.set_write_buffer_bytes(memory.WRITE_BUFFER_BYTES)
