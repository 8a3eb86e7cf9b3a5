"""Who waits for the consumer's thread learns that it has ended; no Kafka is needed for that."""

import asyncio
import threading

import pytest
from mode import Service
from mode.threads import QueueServiceThread

from streams.runtime.consumer.calls import CallableThread, ThreadEnded
from streams.runtime.consumer.thread import ConsumerThread


class DeafThread(CallableThread):
    """It runs, and has stopped reading its queue, as a thread that is about to end."""

    abstract = True

    async def on_thread_started(self) -> None:
        """Without the tasks that read the queue."""

    async def on_thread_stop(self) -> None:
        """There is nothing to stop."""


class Asker(Service):
    """Asks the thread for something that it never answers, as one of mode's tasks."""

    def __init__(self, thread: CallableThread) -> None:
        super().__init__()
        self._thread = thread
        self.is_asking = asyncio.Event()

    @Service.task
    async def _ask(self) -> None:
        self.is_asking.set()
        await self._thread.call_thread(asyncio.sleep, 3600)


async def test_a_call_is_answered() -> None:
    """It runs in the thread."""
    thread = CallableThread()
    await thread.start()

    async def name() -> str:
        return threading.current_thread().name

    assert await thread.call_thread(name) != threading.current_thread().name
    await thread.stop()


async def test_a_call_ends_with_its_thread() -> None:
    """Also one that comes afterwards: nobody would read it."""
    thread = DeafThread()
    await thread.start()
    call = asyncio.create_task(thread.call_thread(asyncio.sleep, 3600))
    await asyncio.sleep(0)
    await thread.stop()
    async with asyncio.timeout(60):
        with pytest.raises(ThreadEnded):
            await call
        with pytest.raises(ThreadEnded):
            await thread.call_thread(asyncio.sleep, 0)


async def test_a_task_that_waits_for_it_has_not_crashed() -> None:
    """mode only logs it: a stop is no crash."""
    thread = DeafThread()
    await thread.start()
    asker = Asker(thread)
    await asker.start()
    await asker.is_asking.wait()
    await thread.stop()
    async with asyncio.timeout(60):
        await asker.stop()
    assert asker.crash_reason is None


def test_the_consumer_has_such_a_thread() -> None:
    """mode asks `call_thread` of the first class that has one."""
    assert ConsumerThread.call_thread is CallableThread.call_thread
    assert ConsumerThread.set_shutdown is CallableThread.set_shutdown
    assert CallableThread.call_thread is not QueueServiceThread.call_thread
