"""How long `wa-streams report` takes over many events: seconds, CPU seconds of all its processes, and their memory.

    python -m benchmarks.report [--events 10000000] [--repeat 0.01]

The events are written as the dispatcher writes them: four of each message (accepted, sent, delivered, read), with
headers, keyed by the recipient, and a part of them twice. Needs no network.
"""

import argparse
import asyncio
import random
import resource
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

import psutil
from aiokafka import AIOKafkaProducer

from benchmarks.browser_common import machine
from benchmarks.world import run_broker
from streams.contract import status
from streams.contract.timestamps import format_rfc3339
from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.reader import choose_partition
from streams.kafka.topics import names
from streams.operations.reports.figures import Dimension
from streams.operations.reports.report import ReportQuery, make_report
from streams.settings import Settings
from tests.support.broker import make_settings

STATUSES = ("accepted", "sent", "delivered", "read")
COUNTRIES = ("+60123", "+90555", "+49151", "+12025", "+5511987")
GROUPINGS: tuple[Dimension | None, ...] = (None, "batch")
BATCH_RECORDS = 200  # as a dispatcher under load writes them
MB = 1_000_000


@dataclass
class Writer:
    """Writes record batches as they are, without waiting for each."""

    producer: AIOKafkaProducer
    topic: str
    partitions: int

    async def write(self, events: int, repeat: float, start_s: float) -> int:
        """Write so many events, and some of them again; returns the number of records."""
        waiting: dict[int, list[tuple[bytes, bytes, Any]]] = defaultdict(list)
        choose, written = random.Random(1), 0
        for number in range(events // len(STATUSES)):
            phone = f"{COUNTRIES[number % len(COUNTRIES)]}{number:07}"
            partition = choose_partition(phone.encode(), self.partitions)
            for step, kind in enumerate(STATUSES):
                record = _make_record(phone, number, kind, start_s + number * 0.01 + step * 2)
                waiting[partition].extend([record] * (1 + (choose.random() < repeat)))
            if len(waiting[partition]) >= BATCH_RECORDS:
                written += await self._send(partition, waiting.pop(partition))
        for partition, records in waiting.items():
            written += await self._send(partition, records)
        await self.producer.flush()
        return written

    async def _send(self, partition: int, records: list[tuple[bytes, bytes, Any]]) -> int:
        batch = self.producer.create_batch()
        for key, value, headers in records:
            assert batch.append(key=key, value=value, timestamp=None, headers=headers) is not None
        await self.producer.send_batch(batch, self.topic, partition=partition)
        return len(records)


def _make_record(phone: str, number: int, kind: Any, at_s: float) -> tuple[bytes, bytes, Any]:
    """A record like that of `_make_template`, for another message."""
    value, headers = _make_template(kind)
    known = {
        "PHONE": phone,
        "NUMBER": f"{number:07}",
        "2000-01-01T00:00:00.000Z": format_rfc3339(at_s),
    }
    known |= {"BATCH": str(number // 10_000), "SALES": str(number % 4)}
    for name, text in known.items():
        value = value.replace(name, text)
    return phone.encode(), value.encode(), headers


@cache
def _make_template(kind: Any) -> tuple[str, Any]:
    event = status.make(
        id="order-NUMBER-shipped",
        status=kind,
        event_id_suffix="1",
        at_s=946_684_800.0,
        to="PHONE",
        account=None if kind == "accepted" else "sales-SALES",
        whatsapp_id=None if kind == "accepted" else "3EB0C767D82B0NUMBER",
        attempt=0 if kind == "accepted" else 1,
        queue_position=0 if kind == "accepted" else None,
        batch_id="campaign-BATCH",
        metadata=b'{"order":8841}',
    )
    return status.encode(event).decode(), list(status.build_headers(event))


def cpu_s() -> float:
    """Of this process and of those of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


async def measure(settings: Settings, since_s: float, by: Dimension | None, records: int) -> None:
    """Make one report, and print what it took."""
    start_s, start_cpu_s = time.monotonic(), cpu_s()
    report = await make_report(
        settings, ReportQuery(since_s=since_s - 1, until_s=since_s + 1e9, by=by)
    )
    wall_s, used_s = time.monotonic() - start_s, cpu_s() - start_cpu_s
    own = psutil.Process().memory_info().rss / MB
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MB
    print(
        f"  by {by}: {wall_s:.1f} s, {used_s:.1f} CPU seconds, {records / used_s:,.0f} events per CPU second; "
        f"RSS {own:.0f} MB, its largest child at most {child:.0f} MB"
    )
    total = report.total
    print(f"    {total.accepted:,} accepted, {total.sent:,} sent, {total.read:,} read")
    assert total.messages == total.read, "an event was lost, or counted twice"


async def main(events: int, repeat: float) -> None:
    """Run the benchmark."""
    print(machine())
    async with run_broker() as (broker, folder):
        settings = make_settings(broker, folder / "data", partitions=8)
        await admin.create_topics(settings)
        start_s = time.time() - 3600
        async with AIOKafkaProducer(
            **producer_options(settings), max_batch_size=1 << 20
        ) as producer:
            writer = Writer(producer, names(settings).status, settings.partitions)
            begin_s = time.monotonic()
            records = await writer.write(events, repeat, start_s)
        print(f"wa.status has {records:,} records, written in {time.monotonic() - begin_s:.0f} s")
        for by in GROUPINGS:
            await measure(settings, start_s, by, records)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=float, default=0.01)
    options = parser.parse_args()
    asyncio.run(main(options.events, options.repeat))
