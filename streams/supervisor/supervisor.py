"""All parts of one `up`: started in their order, stopped in the reverse one, seen as one picture.

Knows parts and their order, nothing of Kafka, browsers or terminals.
"""

import asyncio
import random
from collections.abc import Callable
from types import TracebackType

from streams.supervisor.service import Service, ServiceSpec, ServiceState


class Supervisor:
    """An async context: on its way out every part is stopped, the youngest rank first."""

    def __init__(
        self,
        on_change: Callable[[Service], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._on_change = on_change
        self._jitter = jitter
        self._groups: list[list[Service]] = []
        self._tasks: dict[Service, asyncio.Task[None]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_killing = False

    @property
    def services(self) -> list[Service]:
        """In the order of their start."""
        return [part for rank in self._groups for part in rank]

    @property
    def is_ready(self) -> bool:
        """Whether every part is."""
        return all(part.state is ServiceState.READY for part in self.services)

    def start(self, *specs: ServiceSpec) -> list[Service]:
        """Start these parts together, as one rank; they are stopped before those that came earlier."""
        group = [Service(plan, on_change=self._on_change, jitter=self._jitter) for plan in specs]
        self._groups.append(group)
        for service in group:
            self._tasks[service] = asyncio.create_task(service.run(), name=service.name)
            self._tasks[service].add_done_callback(self._on_task_done)
        return group

    async def wait_until_ready(self, *services: Service) -> None:
        """Returns when these are ready (none named: all). Raises Wrong when one of them has failed."""
        wait_tasks = [
            asyncio.create_task(part.wait_until_ready()) for part in services or self.services
        ]
        try:
            await asyncio.gather(*wait_tasks)
        finally:
            for each in wait_tasks:
                each.cancel()
            await asyncio.wait(wait_tasks)

    async def wait_for_failure(self) -> None:
        """Never returns; raises what a part's keeper raised, which is a fault of ours."""
        await asyncio.shield(self._failure)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)

    def kill(self) -> None:
        """From now on stop by SIGKILL: somebody has lost patience."""
        self._is_killing = True
        for service in self.services:
            service.kill()

    async def stop(self) -> None:
        """Stop every part, rank by rank, and wait for the end of each."""
        for group in reversed(self._groups):
            await asyncio.gather(*(self._stop_service(part) for part in group))

    async def _stop_service(self, service: Service) -> None:
        stop_task = asyncio.create_task(service.stop())
        if self._is_killing:
            await asyncio.sleep(0)
            service.kill()
        await stop_task
        await asyncio.wait({self._tasks[service]})

    async def __aenter__(self) -> "Supervisor":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
