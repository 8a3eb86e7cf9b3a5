"""Blocking calls to a store of files, in threads of their own: a store that does not answer holds up nothing else."""

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from streams.media.files import IncomingFile

_CHUNK_BYTES: Final = 1 << 20

T = TypeVar("T")


class StoreCalls:
    """The threads of one store; `name` is theirs."""

    def __init__(self, max_threads: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(max_threads, name)

    def close(self) -> None:
        """A call under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, call: Callable[[], T]) -> T:
        """What the call returns. Raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def copy(self, open_source: Callable[[], Any], file: IncomingFile) -> None:
        """Write the source to the file, to its end. Raises what the store raises."""
        source = await self.run(open_source)
        try:
            while piece := await self.run(lambda: source.read(_CHUNK_BYTES)):
                await file.write(piece)
        finally:
            self._threads.submit(source.close)


def open_file_system(address: str) -> tuple[Any, str]:
    """The file system of fsspec, and the name in it. Its listings are not cached: a file may be new.

    Raises:
        ImportError, ValueError: fsspec, or its package for this scheme, is not installed.
    """
    core: Any = importlib.import_module("fsspec.core")
    file_system, name = core.url_to_fs(address, use_listings_cache=False)
    return file_system, name
