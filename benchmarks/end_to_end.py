"""The time from a record on `wa.outbound` to its statuses, and the memory of each process of the service.

    python -m benchmarks.end_to_end [--messages 200] [--every-ms 100]

Single requests, each to another phone, one after the other, so that nothing queues. All times are measured in
this process, which produces and consumes; the sandbox uses the same machine's clock. The page's ack comes when
the sandbox has the message, plus the configured delay. Needs no network.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import orjson
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.browser_common import machine
from benchmarks.world import World, world
from streams.kafka.connection import client_options
from streams.settings import Settings
from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.system import Worker

ACKS_MS = (20, 150)
MB = 1_000_000


class Stopwatch:
    """Reads `wa.status` and records when each status of each request was seen."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.seen: dict[tuple[str, str], float] = {}
        self._changed = asyncio.Event()

    async def run(self, topic: str) -> None:
        """Read until cancelled."""
        consumer = AIOKafkaConsumer(**client_options(self._settings), group_id=None)
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, n) for n in range(self._settings.partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            async for record in consumer:
                event = orjson.loads(record.value)
                self.seen.setdefault((event["id"], event["status"]), time.time())
                self._changed.set()
        finally:
            await consumer.stop()

    async def all_seen(self, ids: Sequence[str], status: str) -> None:
        """Wait until each of these requests has this status."""
        while not all((id, status) in self.seen for id in ids):
            self._changed.clear()
            async with asyncio.timeout(120):
                await self._changed.wait()


@asynccontextmanager
async def reading(service: World) -> AsyncIterator[Stopwatch]:
    """A running stopwatch."""
    watch = Stopwatch(service.system.settings)
    task = asyncio.create_task(watch.run(service.caller.names.status))
    try:
        yield watch
    finally:
        task.cancel()


async def measure(
    caller: Caller, watch: Stopwatch, control: SandboxControl, name: str, count: int, every_s: float
) -> dict[str, list[float]]:
    """Milliseconds of each message: to `accepted`, to `sent`, and from the page's ack to `sent`."""
    requested_s: dict[str, float] = {}
    for number in range(count):
        request = {"id": f"{name}-{number}", "to": f"+90555{4_000_000 + number}", "text": "hello"}
        requested_s[request["id"]] = time.time()
        await caller.request(request)
        await asyncio.sleep(every_s)
    await watch.all_seen(list(requested_s), "sent")
    arrived = {
        row["whatsapp_id"]: row for row in await control.fetch_log() if row["event"] == "message"
    }
    events = {e["id"]: e for e in caller.status_events() if e["status"] == "sent"}
    ids = list(requested_s)
    return {
        "accepted": [(watch.seen[i, "accepted"] - requested_s[i]) * 1000 for i in ids],
        "sent": [(watch.seen[i, "sent"] - requested_s[i]) * 1000 for i in ids],
        "arrival to sent": [
            (watch.seen[i, "sent"] - _at_s(arrived[events[i]["whatsapp_id"]])) * 1000 for i in ids
        ],
    }


def _at_s(row: dict[str, Any]) -> float:
    return datetime.fromisoformat(row["at"]).timestamp()


def _p(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=100)[int(share * 100) - 1]


def report(label: str, values: list[float]) -> None:
    """Print one line of percentiles."""
    p50, p95, p99 = (_p(values, share) for share in (0.5, 0.95, 0.99))
    print(f"  {label:<34} p50 {p50:7.1f}   p95 {p95:7.1f}   p99 {p99:7.1f} ms   n={len(values)}")


def memory(worker: Worker) -> tuple[float, float]:
    """PSS in MB of a worker itself, and of all processes that it started."""
    process = psutil.Process(worker.process.pid)
    own = process.memory_full_info().pss / MB
    return own, sum(child.memory_full_info().pss for child in process.children(recursive=True)) / MB


async def main(count: int, every_s: float) -> None:
    """Run the benchmark."""
    print(machine())
    async with world(partitions=8) as service:
        dispatcher, sender = service.system.start_dispatcher(), service.system.start_sender()
        await asyncio.gather(dispatcher.wait_until_ready(), sender.wait_until_ready())
        async with reading(service) as watch:
            await _measure_all(service, watch, count, every_s)
        print("memory, PSS")
        own, _ = memory(dispatcher)
        print(f"  dispatcher {own:5.0f} MB")
        own, children = memory(sender)
        print(f"  sender     {own:5.0f} MB, its browser and Playwright's driver {children:5.0f} MB")


async def _measure_all(service: World, watch: Stopwatch, count: int, every_s: float) -> None:
    caller, control = service.caller, SandboxControl(service.whatsapp.url)
    await measure(caller, watch, control, "warm", 20, every_s)
    for ack_ms in ACKS_MS:
        service.whatsapp.ack_after(ack_ms)
        pause_s = max(every_s, ack_ms / 1000 + 0.1)  # the account sends one at a time
        times_ms = await measure(caller, watch, control, f"ack{ack_ms}", count, pause_s)
        print(f"page acks after {ack_ms} ms")
        report("produce to accepted", times_ms["accepted"])
        report("produce to sent", times_ms["sent"])
        report(
            "the page's ack to sent",
            [delay_ms - ack_ms for delay_ms in times_ms["arrival to sent"]],
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--every-ms", type=int, default=100)
    options = parser.parse_args()
    asyncio.run(main(options.messages, options.every_ms / 1000))
