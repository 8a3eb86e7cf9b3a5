"""Coroutines that run side by side and end together, and the cancellation of tasks that really ends them.

No task outlives the call that started it. `run_all` and `race` raise an error itself, not an ExceptionGroup: the
callers handle it by its type.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

log = logging.getLogger(__name__)

# Longer than any clean-up of ours, each of which has a bound of its own: a second cancellation would interrupt it.
CANCEL_AGAIN_AFTER_S = 60.0
# For a task that only reads with a consumer, whose clean-up takes milliseconds.
CONSUMER_CANCEL_AGAIN_AFTER_S = 2.0

T = TypeVar("T")


async def run_all(*works: Coroutine[Any, Any, None]) -> None:
    """Return once all have returned. The first error cancels the others and is raised.

    Raises:
        RuntimeError: a work ended with CancelledError, and nobody had cancelled it.

    Not a TaskGroup: while that waits for the others, it cannot be cancelled, and cancels none of them again.
    """
    tasks = [asyncio.ensure_future(_refuse_stray_cancellation(work)) for work in works]
    if not tasks:
        return
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    except asyncio.CancelledError:
        await cancel_tasks(*tasks, again_after_s=CONSUMER_CANCEL_AGAIN_AFTER_S)
        raise
    failed = next((task for task in tasks if _has_failed(task)), None)
    others = [task for task in tasks if task is not failed]
    try:
        await cancel_tasks(*others, again_after_s=CONSUMER_CANCEL_AGAIN_AFTER_S)
    except asyncio.CancelledError:
        if failed is not None:
            _log_error(failed)  # the cancellation takes its place
        raise
    if failed is not None:
        failed.result()


async def _refuse_stray_cancellation(work: Coroutine[Any, Any, T]) -> T:
    """A CancelledError of another task, which a library lets through, would end this one without a word."""
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RuntimeError("the cancellation of another task has ended this work") from error


async def race(*works: Coroutine[Any, Any, T]) -> T:
    """Return what the first to end returned, or raise what it raised. The others are cancelled.

    If several have ended at the same moment, the first in the order of the arguments counts. The winner
    decides: an error that another one raises while it is being cancelled is logged, and nothing else.

    Raises:
        RuntimeError: the winner ended with CancelledError, and nobody had cancelled it.
    """
    tasks = [asyncio.ensure_future(_refuse_stray_cancellation(work)) for work in works]
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
    (an aiokafka 0.14 consumer that is starting does), and one wait for such a task would last for ever. If the caller
    is cancelled meanwhile, CancelledError is raised, but not before all have ended: nobody else waits for them.
    """
    clock_s = asyncio.get_running_loop().time
    running, cancellation, cancel_at_s = set(tasks), None, clock_s()
    for task in running:
        task.cancel()
    while running:
        if cancel_at_s + again_after_s <= clock_s():
            cancel_at_s = clock_s()
            for task in running:
                log.warning(
                    "a task did not end when it was cancelled; cancelling it again: %r", task
                )
                task.cancel()
        try:
            await asyncio.wait(running, timeout=cancel_at_s + again_after_s - clock_s())
        except asyncio.CancelledError as error:
            cancellation = (
                error  # it does not hasten the next turn: that would interrupt a clean-up
            )
        ended = {task for task in running if task.done()}
        running -= ended
        for task in ended:
            _log_error(task)
    if cancellation is not None:
        raise cancellation


@contextmanager
def keep_cancellation() -> Iterator[None]:
    """Raise CancelledError at the end of the block if the task was cancelled in it, and the block lost that.

    For calls of a library that does so: `AIOKafkaClient.close` (aiokafka 0.14), with which every client ends, takes a
    cancellation of its caller for that of its own task.
    """
    task = asyncio.current_task()
    count = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > count:
            raise asyncio.CancelledError


def _has_failed(task: asyncio.Future[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


def _log_error(task: asyncio.Future[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Exception):
        log.warning("a task failed while it was being cancelled", exc_info=error)
