"""What the runtime tests share: topics, records, apps in this process and workers in other processes."""

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.structs import RecordMetadata

from streams.kafka import admin, lag, reader
from streams.kafka.connection import producer_options
from streams.kafka.topics import Names, dispatch_app_id, names
from streams.runtime.factory import App, create_app
from streams.settings import Settings, to_environment

ROOT = Path(__file__).parents[2]
WAIT_TIMEOUT_S = float(os.environ.get("TEST_TIMEOUT_S", "90"))  # of a test that will fail


async def wait_until(condition: Callable[[], Any], timeout_s: float = WAIT_TIMEOUT_S) -> Any:
    """Wait until the condition (a function, or coroutine function) holds; returns its result."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                result = condition()
                result = await result if inspect.isawaitable(result) else result
                if result:
                    return result
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(
            f"not within {timeout_s:.0f} s: {inspect.getsource(condition)}"
        ) from None


@asynccontextmanager
async def run_app(app: App) -> AsyncIterator[App]:
    """Run the app: it is ready in the block, and stopped after it. If it fails, the test fails."""
    try:
        await app.start()
        await wait_until(lambda: app.readiness().is_ready)
        yield app
    except BaseException:
        await _abort(app)
        raise
    finally:
        await app.stop()
    if app.crash_reason:
        raise app.crash_reason


async def _abort(app: App) -> None:
    """Stop it with events in progress: after a failure nobody acknowledges them, or opens the fence."""
    app.typed_consumer._unacked_messages.clear()
    app.fence.on_revoked()
    await app.stop()


async def request_rebalance(app: App) -> None:
    """Let the app's member request a rebalance; returns before it has begun."""
    coordinator: Any = app.typed_consumer._thread._ensure_consumer()._coordinator
    coordinator._client._loop.call_soon_threadsafe(coordinator.request_rejoin)


class World:
    """Topics on the test's broker, a producer for them, and the apps and workers of the test."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self.settings = settings
        self.producer = producer
        self.stack = AsyncExitStack()
        self.apps: list[App] = []

    @property
    def topics(self) -> Names:
        return names(self.settings)

    @property
    def group(self) -> str:
        return dispatch_app_id(self.settings)

    def make_app(self, name: str = "dispatch-1", **options: Any) -> App:
        app = create_app(
            self.group,
            self.settings,
            name=name,
            partitions=self.settings.partitions,
            **{"event_timeout_s": 5.0, **options},
        )
        self.apps.append(app)
        return app

    async def produce(
        self, values: list[bytes], *, key: bytes = b"k", partition: int | None = 0
    ) -> list[RecordMetadata]:
        """Produce to the source (`wa.outbound`)."""
        return await asyncio.gather(*await self.enqueue(values, key=key, partition=partition))

    async def enqueue(
        self, values: list[bytes], *, key: bytes = b"k", partition: int | None = None
    ) -> list["asyncio.Future[RecordMetadata]"]:
        """Hand records to the producer; each result is there when the broker has the record."""
        return [
            await self.producer.send(self.topics.outbound, value, key=key, partition=partition)
            for value in values
        ]

    async def read_committed_offset(self, partition: int = 0) -> int | None:
        return (await self._read_lag())[
            TopicPartition(self.topics.outbound, partition)
        ].committed_offset

    async def has_no_lag(self) -> bool:
        return not any(lag.lag for lag in (await self._read_lag()).values())

    async def _read_lag(self) -> dict[TopicPartition, lag.PartitionLag]:
        return await lag.read_lag(self.settings, self.group, [self.topics.outbound])

    async def read_topic(self, topic: str) -> list[reader.Record]:
        """All records of a topic."""
        async with reader.open_reader(self.settings, topic) as topic_reader:
            return [record async for record in topic_reader.read_to_end()]

    def start_worker(self, program: str, name: str, **variables: str) -> "WorkerProcess":
        """A worker in a process of its own: `tests/runtime/programs/<program>.py`."""
        worker = WorkerProcess(self.settings, program, name, variables)
        self.stack.callback(worker.kill)
        return worker


@asynccontextmanager
async def create_world(settings: Settings) -> AsyncIterator[World]:
    """A world whose topics exist."""
    await admin.create_topics(settings)
    producer = AIOKafkaProducer(**producer_options(settings))
    await producer.start()
    world = World(settings, producer)
    try:
        async with world.stack:
            yield world
    finally:
        for app in world.apps:
            if app.started and not app.should_stop:
                await _abort(app)
        await producer.stop()


class WorkerProcess:
    """A process that may be killed and suspended. Its output is in `log`."""

    def __init__(
        self, settings: Settings, program: str, name: str, variables: dict[str, str]
    ) -> None:
        self._log_file = settings.data_dir / f"{name}.log"
        with self._log_file.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"tests.runtime.programs.{program}", name],
                env={**os.environ, **to_environment(settings), "WA_CONFIG": "", **variables},
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )
        self._handle = psutil.Process(self.process.pid)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def suspend(self) -> None:
        self._handle.suspend()

    def resume(self) -> None:
        self._handle.resume()

    def kill(self) -> None:
        if self.is_alive:
            self._handle.kill()
            self.process.wait()

    def terminate(self) -> None:
        self.process.terminate()

    async def wait_for_exit(self) -> int:
        """Its exit code, once it has ended."""
        await wait_until(lambda: not self.is_alive)
        assert self.process.returncode is not None
        return self.process.returncode
