"""Says what the tasks of an event loop wait for, for the last words of a process. Changes nothing.

A function and a line for each task: no argument, no text and no number of a message is in it.
"""

import asyncio
from collections.abc import Iterator
from types import CoroutineType
from typing import Any, TypeGuard


def describe_tasks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """One line for each task that has not ended: its name, and where in the code it waits. Any thread may call it."""
    return sorted(_describe(task) for task in asyncio.all_tasks(loop))


def _describe(task: "asyncio.Task[Any]") -> str:
    places = list(_iter_places(task.get_coro()))
    return f"{task.get_name()}: {' > '.join(places[-3:]) or 'nowhere'}"


def _iter_places(awaited: object) -> Iterator[str]:
    """From the outermost coroutine to the innermost."""
    while _is_coroutine(awaited):
        frame = awaited.cr_frame
        if frame is not None:
            yield f"{frame.f_code.co_qualname}:{frame.f_lineno}"
        awaited = awaited.cr_await


def _is_coroutine(awaited: object) -> "TypeGuard[CoroutineType[Any, Any, Any]]":
    return isinstance(awaited, CoroutineType)
