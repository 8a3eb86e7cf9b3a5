"""Coroutines that run side by side and end together, and the cancellation of tasks that really ends them.

No task outlives the call that started it. `run_all` and `race` raise an error itself, not an ExceptionGroup: the
callers handle it by its type.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

# Longer than any clean-up of ours, each of which has a bound of its own: a second cancellation would interrupt it.
CANCEL_AGAIN_AFTER_S = 60.0
# For a task that only reads with a consumer, whose clean-up takes milliseconds.
CONSUMER_CANCEL_AGAIN_AFTER_S = 2.0

T = TypeVar("T")


async def run_all(*works: Coroutine[Any, Any, None]) -> None:
    """Return once all have returned. The first error cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def race(*works: Coroutine[Any, Any, T]) -> T:
    """Return what the first to end returned, or raise what it raised. The others are cancelled.

    If several have ended at the same moment, the first in the order of the arguments counts. The winner
    decides: an error that another one raises while it is being cancelled is logged, and nothing else.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        winner = next(task for task in tasks if task.done())
    except asyncio.CancelledError:
        await cancel_tasks(*tasks)
        raise
    await cancel_tasks(*(task for task in tasks if task is not winner))
    return winner.result()


async def await_or_cancel(task: "asyncio.Task[None]") -> None:
    """Await it, and raise what it raises; it does not outlive a cancellation."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await cancel_tasks(task)
        raise
    task.result()


async def cancel_tasks(
    *tasks: asyncio.Future[Any], again_after_s: float = CANCEL_AGAIN_AFTER_S
) -> None:
    """Cancel these tasks and return when all have ended. What they raise is logged.

    A task that still runs after `again_after_s` is cancelled again, and so on: a library can lose a cancellation
    (an aiokafka 0.14 consumer that is starting does), and one wait for such a task would last for ever.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        ended, running = await asyncio.wait(running, timeout=again_after_s)
        for task in ended:
            _log_error(task)
        for task in running:
            log.warning("a task did not end when it was cancelled; cancelling it again: %r", task)


def _log_error(task: asyncio.Future[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Exception):
        log.warning("a task failed while it was being cancelled", exc_info=error)
