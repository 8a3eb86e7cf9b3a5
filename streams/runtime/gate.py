"""A gate that may be passed while it is open, and whose closing waits for those inside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Closed at first. For one event loop."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self._left = asyncio.Event()
        self._left.set()
        self._inside = 0

    def open(self) -> None:
        """Let everybody in."""
        self._opened.set()

    async def close(self) -> None:
        """Let nobody in any more, and return when the last one has left."""
        self._opened.clear()
        await self._left.wait()

    @asynccontextmanager
    async def inside(self) -> AsyncIterator[None]:
        """Wait until it is open, and be inside."""
        while not self._opened.is_set():
            await self._opened.wait()
        self._inside += 1
        self._left.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._left.set()
