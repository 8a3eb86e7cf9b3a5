"""RocksDB's memory: one cache and one limit of write buffers for all stores of a process. Opens no store.

Each store would have its own otherwise, so the memory of a worker would grow with its partitions. Filters and indexes
of the files are in the cache too.
"""

from functools import cache
from typing import Any, Final

from faust.stores.rocksdb import RocksDBOptions
from rocksdict import BlockBasedIndexType, BlockBasedOptions, Cache, WriteBufferManager

_CACHE_BYTES: Final = 32 << 20
WRITE_BUFFER_BYTES: Final = 32 << 20  # of all stores; the largest buffer is flushed first
LOADING_WRITE_BUFFER_BYTES: Final = (
    128 << 20
)  # while stores are filled from changelogs (bulk_load.py)
_FILTER_BITS_PER_KEY: Final = 10


@cache
def _shared_cache() -> Cache:
    return Cache(_CACHE_BYTES)


@cache
def _shared_write_buffers() -> WriteBufferManager:
    return WriteBufferManager(WRITE_BUFFER_BYTES, False)


def set_write_buffer_bytes(size: int) -> None:
    """The limit of all write buffers from now on."""
    _shared_write_buffers().set_buffer_size(size)


class SharedMemoryOptions(RocksDBOptions):
    """Faust's options of a store, with the memory of the process instead of its own."""

    def as_options(self) -> Any:
        """RocksDB's own object."""
        options: Any = super().as_options()
        table_options = BlockBasedOptions()
        table_options.set_bloom_filter(_FILTER_BITS_PER_KEY, False)
        table_options.set_index_type(BlockBasedIndexType.binary_search())
        table_options.set_block_cache(_shared_cache())
        table_options.set_cache_index_and_filter_blocks(True)
        table_options.set_pin_l0_filter_and_index_blocks_in_cache(True)
        options.set_block_based_table_factory(table_options)
        options.set_write_buffer_manager(_shared_write_buffers())
        return options


def make_options(options: Any) -> SharedMemoryOptions:
    """From a table's options."""
    return SharedMemoryOptions(**options)
