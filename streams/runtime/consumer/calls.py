"""Calls into the consumer's thread: whoever waits for one learns that the thread has ended. Nothing is repeated here.

mode gives the thread a queue of calls, and nobody reads it once the thread has ended. So a call that came too late was
never answered. Faust itself makes one: `Conductor` subscribes again up to 45 s after a start, also if the app was
stopped meanwhile, and the stop then waited for it until the process was ended.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mode.threads import QueueServiceThread


class ThreadEnded(RuntimeError):
    """The thread has ended, and with it whatever was asked of it. mode takes a task that raises it for cancelled."""

    def __init__(self) -> None:
        # mode looks for the last words.
        super().__init__("the consumer's thread has ended: Event loop is closed")


class CallableThread(QueueServiceThread):
    """A thread whose calls end with it."""

    abstract = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._calls: set[asyncio.Future[Any]] = set()

    async def call_thread(
        self, fun: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        """Call it in the thread, and return its result. Called in the parent's loop.

        Raises:
            ThreadEnded: the thread ended before it answered.
        """
        if self._shutdown.is_set():
            raise ThreadEnded
        promise: asyncio.Future[Any] = self.parent_loop.create_future()
        self._calls.add(promise)
        try:
            await self.method_queue.call(promise, fun, *args, **kwargs)
            return await promise
        finally:
            self._calls.discard(promise)

    def set_shutdown(self) -> None:
        """The thread answers nothing any more. Called in the thread."""
        super().set_shutdown()
        self.parent_loop.call_soon_threadsafe(self._end_calls)

    def _end_calls(self) -> None:
        for promise in self._calls:
            if not promise.done():
                promise.set_exception(ThreadEnded())
