"""Coroutines that run side by side and end together. No task outlives the call that started it.

Both functions raise an error itself, not an ExceptionGroup: the callers handle it by its type.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

log = logging.getLogger(__name__)

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
        await _cancel(tasks)
        raise
    await _cancel([task for task in tasks if task is not winner])
    return winner.result()


async def _cancel(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.warning("a task failed while it was being cancelled", exc_info=result)
