"""All services of one `up`: started group by group, stopped in the reverse order.

Knows services and their order; nothing of Kafka, browsers or terminals.
"""

import asyncio
import random
from collections.abc import Callable
from types import TracebackType

from streams.supervisor.service import Service, ServiceSpec, ServiceState
from streams.system.tasks import run_all


class Supervisor:
    """An async context: leaving it stops every service, the last started group first."""

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
        """All services, in the order of their start."""
        return [service for group in self._groups for service in group]

    @property
    def is_ready(self) -> bool:
        """Whether every service is ready."""
        return all(service.state is ServiceState.READY for service in self.services)

    def start(self, *specs: ServiceSpec) -> list[Service]:
        """Start these services together, as one group. It is stopped before the earlier groups."""
        group = [Service(spec, on_change=self._on_change, jitter=self._jitter) for spec in specs]
        self._groups.append(group)
        for service in group:
            self._tasks[service] = asyncio.create_task(service.run(), name=service.name)
            self._tasks[service].add_done_callback(self._on_task_done)
        return group

    async def wait_until_ready(self, *services: Service) -> None:
        """Return when these services are ready; without arguments, all of them.

        Raises:
            UsageError: one of them has failed for good.
        """
        await run_all(*(service.wait_until_ready() for service in services or self.services))

    async def wait_for_failure(self) -> None:
        """Never returns. Raises what the task of a service raised, which is a bug of ours."""
        await asyncio.shield(self._failure)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)

    def kill(self) -> None:
        """Kill every service at once, and from now on stop services by SIGKILL."""
        self._is_killing = True
        for service in self.services:
            service.kill()

    async def stop(self) -> None:
        """Stop every service, group by group, and wait for the end of each."""
        for group in reversed(self._groups):
            await asyncio.gather(*(self._stop_service(service) for service in group))

    async def _stop_service(self, service: Service) -> None:
        stop_task = asyncio.create_task(service.stop())
        if self._is_killing:
            await asyncio.sleep(0)  # let it record that a stop was requested: no restart
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
