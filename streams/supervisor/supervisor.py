"""All parts of one `up`: started in their order, stopped in the reverse one, seen as one picture.

Knows parts and their order, nothing of Kafka, browsers or terminals.
"""

import asyncio
import random
from collections.abc import Callable
from types import TracebackType

from streams.supervisor.service import Part, Plan, State


class Supervisor:
    """An async context: on its way out every part is stopped, the youngest rank first."""

    def __init__(
        self,
        changed: Callable[[Part], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._changed = changed
        self._chance = chance
        self._ranks: list[list[Part]] = []
        self._runs: dict[Part, asyncio.Task[None]] = {}
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._killing = False

    @property
    def parts(self) -> list[Part]:
        """In the order of their start."""
        return [part for rank in self._ranks for part in rank]

    @property
    def ready(self) -> bool:
        """Whether every part is."""
        return all(part.state is State.READY for part in self.parts)

    def start(self, *plans: Plan) -> list[Part]:
        """Start these parts together, as one rank; they are stopped before those that came earlier."""
        rank = [Part(plan, changed=self._changed, chance=self._chance) for plan in plans]
        self._ranks.append(rank)
        for part in rank:
            self._runs[part] = asyncio.create_task(part.run(), name=part.name)
            self._runs[part].add_done_callback(self._look)
        return rank

    async def until_ready(self, *parts: Part) -> None:
        """Returns when these are ready (none named: all). Raises Wrong when one of them has failed."""
        waits = [asyncio.create_task(part.until_ready()) for part in parts or self.parts]
        try:
            await asyncio.gather(*waits)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.wait(waits)

    async def until_broken(self) -> None:
        """Never returns; raises what a part's keeper raised, which is a fault of ours."""
        await asyncio.shield(self._broken)

    def _look(self, run: asyncio.Task[None]) -> None:
        error = None if run.cancelled() else run.exception()
        if error is not None and not self._broken.done():
            self._broken.set_exception(error)

    def kill(self) -> None:
        """From now on stop by SIGKILL: somebody has lost patience."""
        self._killing = True
        for part in self.parts:
            part.kill()

    async def stop(self) -> None:
        """Stop every part, rank by rank, and wait for the end of each."""
        for rank in reversed(self._ranks):
            await asyncio.gather(*(self._stop(part) for part in rank))

    async def _stop(self, part: Part) -> None:
        stopping = asyncio.create_task(part.stop())
        if self._killing:
            await asyncio.sleep(0)
            part.kill()
        await stopping
        await asyncio.wait({self._runs[part]})

    async def __aenter__(self) -> "Supervisor":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
