"""Dispatchers of one checkout on a shared broker, with topics of their own and a stand-in for all senders.

Workers are started by their command line, with the code of the checkout `tree`, so two versions can be measured in
one run.
"""

import asyncio
import json
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.checkouts import make_environ, start_process, stop
from tests.support.waiting import wait_until

STAND_IN = Path(__file__).with_name("stand_in.py")
READY_TIMEOUT_S = 120.0
FINISH_TIMEOUT_S = 1800.0
_PARTITIONS = 8


@dataclass
class Cost:
    """Of one measurement."""

    messages: int
    cpu_s: float  # of all dispatchers, user and system
    elapsed_s: float


class StatusCounter:
    """Reads `wa.status`: how often each status came for each round, and when the messages were accepted."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.accepted_mono_s: dict[str, float] = {}
        self.changed = asyncio.Event()

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        """Until cancelled."""
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    self._add(orjson.loads(record.value or b""))
            self.changed.set()

    def _add(self, event: dict[str, Any]) -> None:
        request_id, status = event["id"], event["status"]
        self.counts[request_id.rpartition("-")[0], status] += 1
        if status == "accepted":
            self.accepted_mono_s[request_id] = time.monotonic()

    async def wait(self, name: str, status: str, count: int) -> None:
        """Until so many messages of the round have this status."""
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            while self.counts[name, status] < count:
                self.changed.clear()
                await self.changed.wait()


@dataclass
class World:
    """The dispatchers of one checkout."""

    tree: Path
    environ: dict[str, str]
    producer: AIOKafkaProducer
    statuses: StatusCounter = field(default_factory=StatusCounter)
    dispatchers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    program: tuple[str, ...] = ("-m", "streams.cli")  # what a dispatcher is started with
    _last_number: int = 0

    # -- processes

    def start_process(self, *command: str) -> subprocess.Popen[bytes]:
        """A process with the code of the checkout."""
        log = Path(self.environ["WA_DATA_DIR"]) / "log"
        return start_process(self.tree, self.environ, log, *command)

    async def start_dispatcher(self, number: int = 1) -> subprocess.Popen[bytes]:
        """Start it, and wait until it is ready."""
        name = f"dispatch-{number}"
        process = self.start_process(*self.program, "dispatch", "--name", name)
        await wait_until(lambda: self._is_ready(name, process), timeout_s=READY_TIMEOUT_S)
        self.dispatchers.append(process)
        return process

    async def _is_ready(self, name: str, process: subprocess.Popen[bytes]) -> bool:
        log = Path(self.environ["WA_DATA_DIR"]) / "log"
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            run_file = json.loads((log.parent / "run" / f"{name}.json").read_bytes())
            async with aiohttp.request("GET", f"{run_file['web']}/readyz") as response:
                return response.status == 200 and run_file["pid"] == process.pid
        except (FileNotFoundError, ValueError, aiohttp.ClientError):
            return False

    def stop_dispatchers(self) -> None:
        """Stop all of them."""
        for process in self.dispatchers:
            stop(process)
        self.dispatchers.clear()

    def read_cpu_s(self) -> float:
        """Of all dispatchers so far."""
        times = [psutil.Process(process.pid).cpu_times() for process in self.dispatchers]
        return sum(each.user + each.system for each in times)

    # -- messages

    def make_name(self, prefix: str = "") -> str:
        """The name of another round: the first part of the ids of its messages."""
        self._last_number += 1
        return f"{prefix}x{self._last_number}"

    def make_requests(self, name: str, count: int, **fields: Any) -> list[dict[str, Any]]:
        """One request to each of so many phones, which had none before."""
        first = self._last_number * 200_000
        return [
            {"id": f"{name}-{n}", "to": f"+90{5_320_000_000 + first + n}", "text": f"text {n}"}
            | fields
            for n in range(count)
        ]

    async def send(self, requests: Iterable[dict[str, Any]]) -> None:
        """Produce them as fast as the broker takes them."""
        topic = f"{self.environ['WA_TOPIC_PREFIX']}.outbound"
        futures = [
            await self.producer.send(topic, orjson.dumps(request), key=request["to"].encode())
            for request in requests
        ]
        await asyncio.gather(*futures)

    async def measure(
        self, name: str, requests: list[dict[str, Any]], status: str = "sent"
    ) -> Cost:
        """What it costs until all requests of the round have this status."""
        cpu_s, start_mono_s = self.read_cpu_s(), time.monotonic()
        await self.send(requests)
        await self.statuses.wait(name, status, len(requests))
        elapsed_s = time.monotonic() - start_mono_s
        return Cost(len(requests), self.read_cpu_s() - cpu_s, elapsed_s)


@asynccontextmanager
async def open_world(
    tree: Path,
    servers: str,
    folder: Path,
    *,
    dispatchers: int = 1,
    accounts: int = 1,
    max_in_flight: int = 1_000_000,
) -> AsyncIterator[World]:
    """A world whose dispatchers are ready. The account `closed` has no sender."""
    names = [f"account-{n}" for n in range(accounts)]
    prefix = f"bench-{uuid.uuid4().hex[:8]}"
    data_dir = folder / prefix
    data_dir.mkdir()
    settings = {
        "WA_DATA_DIR": str(data_dir),
        "WA_KAFKA_BOOTSTRAP_SERVERS": servers,
        "WA_TOPIC_PREFIX": prefix,
        "WA_PARTITIONS": str(_PARTITIONS),
        "WA_WEB_PORT": "0",
        "WA_ACCOUNTS": ",".join([*names, "closed"]),
        "WA_ACCOUNT_MAX_IN_FLIGHT": str(max_in_flight),
    }
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(bootstrap_servers=servers, max_batch_size=1 << 18)
        await producer.start()
        stack.push_async_callback(producer.stop)
        world = World(tree, make_environ(tree, settings), producer)
        assert world.start_process("-m", "streams.cli", "topics", "create").wait() == 0
        stand_in = world.start_process(str(STAND_IN), servers, prefix, *names)
        stack.callback(stop, stand_in)
        stack.callback(world.stop_dispatchers)
        for number in range(1, dispatchers + 1):
            await world.start_dispatcher(number)
        await _follow_statuses(stack, world, servers)
        yield world


async def _follow_statuses(stack: AsyncExitStack, world: World, servers: str) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, max_poll_records=5000)
    await consumer.start()
    stack.push_async_callback(consumer.stop)
    topic = f"{world.environ['WA_TOPIC_PREFIX']}.status"
    consumer.assign([TopicPartition(topic, partition) for partition in range(_PARTITIONS)])
    await consumer.seek_to_beginning()
    task = asyncio.create_task(world.statuses.read(consumer))
    stack.callback(task.cancel)
