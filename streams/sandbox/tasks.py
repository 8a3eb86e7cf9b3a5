"""Background tasks, such as a delayed ack. None may outlive its owner: `cancel` ends them all."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from streams.system.tasks import cancel_tasks

log = logging.getLogger(__name__)


class BackgroundTasks:
    """Runs coroutines in the background. Errors are logged, because nothing awaits the tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start the coroutine."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a background task failed", exc_info=task.exception())

    async def cancel(self) -> None:
        """Cancel all tasks that still run, and wait for their end."""
        await cancel_tasks(*self._tasks)
