"""Coroutines that run side by side and end together. No task outlives the call that started it.

Both functions raise the first error itself, not an ExceptionGroup: the callers handle it by its type.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

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

    If several have ended at the same moment, the first in the order of the arguments counts.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            winner = next(task for task in tasks if task.done())
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return winner.result()
