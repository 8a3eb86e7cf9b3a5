"""Produces the requests of a measurement, and follows their statuses. Starts nothing, prints nothing."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from streams.bench.figures import Measurement
from streams.client import WhatsApp
from streams.operations.errors import CommandFailed

_MAX_SILENCE_S: Final = 60.0  # without any status event: something is wrong
_PRODUCE_AT_ONCE: Final = 200
_SHOW_EVERY: Final = 100
TEXT: Final = "This message was sent by wa-streams bench."


class Load:
    """Requests to simulated phones. `follow` runs beside everything else."""

    def __init__(self, whatsapp: WhatsApp, on_progress: Callable[[str], None]) -> None:
        self._whatsapp = whatsapp
        self._on_progress = on_progress
        self._requested_s: dict[str, float] = {}
        self._seen_s: dict[tuple[str, str], float] = {}
        self._missing: set[tuple[str, str]] = set()  # what is waited for
        self._changed = asyncio.Event()

    async def follow(self) -> None:
        """Record when each status is seen, until cancelled."""
        async for event in self._whatsapp.statuses(since_s=0.001):
            self._seen_s.setdefault((event.id, event.status), time.monotonic())
            self._missing.discard((event.id, event.status))
            self._changed.set()

    async def measure_single(self, count: int) -> Measurement:
        """One message after the other, each to another phone, so that none waits for another one.

        Raises:
            CommandFailed: the service has stopped answering.
        """
        ids = [f"single-{number}" for number in range(count)]
        for number, id in enumerate(ids):
            await self._send(id, number)
            await self._wait_for([id], "delivered")
        return self._collect(ids)

    async def measure_burst(self, count: int) -> Measurement:
        """All messages as fast as Kafka takes them, each to another phone.

        Raises:
            CommandFailed: the service has stopped answering.
        """
        ids = [f"burst-{number}" for number in range(count)]
        for begin in range(0, count, _PRODUCE_AT_ONCE):
            numbers = range(begin, min(count, begin + _PRODUCE_AT_ONCE))
            await asyncio.gather(*(self._send(ids[number], number) for number in numbers))
        await self._wait_for(ids, "sent")
        return self._collect(ids)

    async def _send(self, id: str, number: int) -> None:
        self._requested_s[id] = time.monotonic()
        await self._whatsapp.send(f"+90555{4_000_000 + number}", TEXT, id=id)

    async def _wait_for(self, ids: list[str], status: str) -> None:
        """One call at a time: `follow` takes what comes from `_missing`."""
        self._missing = {(id, status) for id in ids} - self._seen_s.keys()
        shown = 0
        while self._missing:
            done = len(ids) - len(self._missing)
            if done >= shown + _SHOW_EVERY:
                shown = done
                self._on_progress(f"{done} of {len(ids)} {status}")
            self._changed.clear()
            try:
                async with asyncio.timeout(_MAX_SILENCE_S):
                    await self._changed.wait()
            except TimeoutError as error:
                raise CommandFailed(
                    f"{len(self._missing)} of {len(ids)} messages are not {status}, and nothing has happened"
                    f" for {_MAX_SILENCE_S:.0f} s"
                ) from error

    def _collect(self, ids: Iterable[str]) -> Measurement:
        return Measurement({id: self._requested_s[id] for id in ids}, dict(self._seen_s))
