"""From a record on `wa.outbound` to its statuses, and the memory of each process; the whole service runs.

    python -m benchmarks.end_to_end [--messages 200] [--every-ms 100]

Single requests to ever other phones, one after the other, so that nothing queues. All times are taken in
this process, which produces and consumes; the sandbox's are of the same machine's clock. The page's ack
is when the sandbox had the message, plus the delay that it was told. Needs no network.
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
    """Reads `wa.status` and notes when each status of each request was seen."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.seen: dict[tuple[str, str], float] = {}
        self._news = asyncio.Event()

    async def run(self, topic: str) -> None:
        """Read until cancelled."""
        consumer = AIOKafkaConsumer(**client_options(self._settings), group_id=None)
        await consumer.start()
        try:
            parts = [TopicPartition(topic, n) for n in range(self._settings.partitions)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            async for record in consumer:
                event = orjson.loads(record.value)
                self.seen.setdefault((event["id"], event["status"]), time.time())
                self._news.set()
        finally:
            await consumer.stop()

    async def all_seen(self, ids: Sequence[str], status: str) -> None:
        """Await that each of these has this status."""
        while not all((id, status) in self.seen for id in ids):
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 120)


@asynccontextmanager
async def reading(here: World) -> AsyncIterator[Stopwatch]:
    """A stopwatch that runs."""
    watch = Stopwatch(here.system.settings)
    task = asyncio.create_task(watch.run(here.caller.names.status))
    try:
        yield watch
    finally:
        task.cancel()


async def measure(
    caller: Caller, watch: Stopwatch, control: SandboxControl, name: str, count: int, every_s: float
) -> dict[str, list[float]]:
    """Milliseconds of each message: to `accepted`, to `sent`, and from the page's ack to `sent`."""
    asked: dict[str, float] = {}
    for number in range(count):
        request = {"id": f"{name}-{number}", "to": f"+90555{4_000_000 + number}", "text": "hello"}
        asked[request["id"]] = time.time()
        await caller.request(request)
        await asyncio.sleep(every_s)
    await watch.all_seen(list(asked), "sent")
    arrived = {
        row["whatsapp_id"]: row for row in await control.fetch_log() if row["event"] == "message"
    }
    events = {e["id"]: e for e in caller.status_events() if e["status"] == "sent"}
    ids = list(asked)
    return {
        "accepted": [(watch.seen[i, "accepted"] - asked[i]) * 1000 for i in ids],
        "sent": [(watch.seen[i, "sent"] - asked[i]) * 1000 for i in ids],
        "arrival to sent": [
            (watch.seen[i, "sent"] - _at_s(arrived[events[i]["whatsapp_id"]])) * 1000 for i in ids
        ],
    }


def _at_s(row: dict[str, Any]) -> float:
    return datetime.fromisoformat(row["at"]).timestamp()


def _p(values: list[float], part: float) -> float:
    return statistics.quantiles(values, n=100)[int(part * 100) - 1]


def report(what: str, values: list[float]) -> None:
    """One line of percentiles."""
    p50, p95, p99 = (_p(values, part) for part in (0.5, 0.95, 0.99))
    print(f"  {what:<34} p50 {p50:7.1f}   p95 {p95:7.1f}   p99 {p99:7.1f} ms   n={len(values)}")


def memory(worker: Worker) -> tuple[float, float]:
    """PSS in MB of a worker itself, and of all that it started."""
    process = psutil.Process(worker.process.pid)
    own = process.memory_full_info().pss / MB
    return own, sum(child.memory_full_info().pss for child in process.children(recursive=True)) / MB


async def main(count: int, every_s: float) -> None:
    """The whole benchmark."""
    print(machine())
    async with world(partitions=8) as here:
        dispatcher, sender = here.system.start_dispatcher(), here.system.start_sender()
        await asyncio.gather(dispatcher.wait_until_ready(), sender.wait_until_ready())
        async with reading(here) as watch:
            await _measure_all(here, watch, count, every_s)
        print("memory, PSS")
        own, _ = memory(dispatcher)
        print(f"  dispatcher {own:5.0f} MB")
        own, children = memory(sender)
        print(f"  sender     {own:5.0f} MB, its browser and Playwright's driver {children:5.0f} MB")


async def _measure_all(here: World, watch: Stopwatch, count: int, every_s: float) -> None:
    caller, control = here.caller, SandboxControl(here.whatsapp.url)
    await measure(caller, watch, control, "warm", 20, every_s)
    for ack_ms in ACKS_MS:
        here.whatsapp.ack_after(ack_ms)
        pause_s = max(every_s, ack_ms / 1000 + 0.1)  # the account sends one at a time
        found = await measure(caller, watch, control, f"ack{ack_ms}", count, pause_s)
        print(f"page acks after {ack_ms} ms")
        report("produce to accepted", found["accepted"])
        report("produce to sent", found["sent"])
        report(
            "the page's ack to sent", [delay_ms - ack_ms for delay_ms in found["arrival to sent"]]
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--every-ms", type=int, default=100)
    given = parser.parse_args()
    asyncio.run(main(given.messages, given.every_ms / 1000))
