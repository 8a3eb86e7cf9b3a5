"""A gate: tasks enter while it is open, and closing it waits for the tasks inside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Closed at first. For one event loop."""

    def __init__(self) -> None:
        self._open_event = asyncio.Event()
        self._empty_event = asyncio.Event()
        self._empty_event.set()
        self._entered_count = 0

    def open(self) -> None:
        """Let tasks enter."""
        self._open_event.set()

    async def close(self) -> None:
        """Let no further task enter, and return when the last one has left."""
        self._open_event.clear()
        await self._empty_event.wait()

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Wait until the gate is open, and stay inside for the `async with` block."""
        while not self._open_event.is_set():
            await self._open_event.wait()
        self._entered_count += 1
        self._empty_event.clear()
        try:
            yield
        finally:
            self._entered_count -= 1
            if not self._entered_count:
                self._empty_event.set()
