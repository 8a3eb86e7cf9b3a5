"""What each layer under a dispatcher costs alone: microseconds of CPU for a message up to `sent`.

    python -m benchmarks.dispatcher_layers [--messages N] [--group N] [--places N] [--rounds R] [--profile]

The records and rows are those of scenario a of `dispatcher`: a request, its event, an outcome. The layers: the intake,
the phone stage with rows in memory, the same rows in RocksDB, and aiokafka, which writes and reads the same records on
a real broker in this process. What a dispatcher costs beyond their sum is Faust, the event loop, commits, heartbeats.
`--group`: how many events a commit has; a dispatcher has large groups in scenario a, and of one or two in c.
`--places`: of the account in the one partition; with fewer than messages, recipients wait for a place, as in c.
`--profile`: cProfile of the intake and of the phone stage instead.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rocksdict import Options, Rdict, WriteBatch

from benchmarks.browser_common import machine
from benchmarks.dispatching.layers import Layers, make_outcomes
from benchmarks.world import run_broker
from streams.dispatch.publisher import OutgoingRecord
from streams.kafka import connection
from streams.runtime.broker.produce import produce
from streams.runtime.store.changelog import Change

_TOPICS: Final = ("phone", "status", "send.main")
_CHANGELOG: Final = "rows"
_PARTITIONS: Final = 8


async def measure(operation: Callable[[], Awaitable[object]]) -> float:
    """The CPU seconds of this process."""
    cpu_s = time.process_time()
    await operation()
    return time.process_time() - cpu_s


class Bench:
    """The costs of all rounds, by layer, in CPU seconds for a message."""

    def __init__(self, options: argparse.Namespace, servers: str, folder: Path) -> None:
        self._options = options
        self._servers = servers
        self._layers = Layers(options.group, options.places)
        rocksdb = Options(raw_mode=True)
        rocksdb.create_if_missing(True)
        self._database = Rdict(str(folder / "rows"), rocksdb)
        self.costs: dict[str, list[float]] = {}

    async def run(self) -> None:
        """All rounds; the first one warms everything up."""
        await self._create_topics()
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers,
            acks="all",
            enable_idempotence=True,
            max_batch_size=512 << 10,
            compression_type=connection.COMPRESSION,
        )
        await producer.start()
        try:
            for number in range(self._options.rounds + 1):
                await self._run_round(producer)
                if not number:
                    self.costs.clear()
        finally:
            await producer.stop()

    async def _create_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await admin.start()
        await admin.create_topics(
            [NewTopic(name, _PARTITIONS, 1) for name in (*_TOPICS[:2], _CHANGELOG)]
            + [NewTopic(_TOPICS[2], 1, 1)]
        )
        await admin.close()

    def _note(self, layer: str, cpu_s: float) -> None:
        self.costs.setdefault(layer, []).append(cpu_s / self._options.messages)

    async def _run_round(self, producer: AIOKafkaProducer) -> None:
        layers = self._layers
        requests = layers.make_requests(self._options.messages)
        self._note("intake", await measure(lambda: layers.take_in(requests)))
        log = layers.publisher.take()
        values = [record.value or b"" for record in log]
        stage_s = await measure(lambda: layers.apply(values))
        published = layers.publisher.take()
        outcomes = answers = make_outcomes(published)
        while answers:
            stage_s += await measure(partial(layers.apply, answers))
            caused = layers.publisher.take()
            answers = make_outcomes(caused)
            published += caused
            outcomes = [*outcomes, *answers]
        self._note("phone stage", stage_s)
        commits, layers.table.commits = layers.table.commits, []
        self._note("RocksDB", await measure(lambda: self._write_rows(commits)))
        self._note(
            "aiokafka: write records", await measure(self._produce(producer, [*log, *published]))
        )
        self._note(
            "aiokafka: write rows", await measure(lambda: self._write_changelog(producer, commits))
        )
        self._note("aiokafka: read records", await self._measure_reading(log, outcomes, producer))

    async def _write_rows(self, commits: Sequence[Sequence[Change]]) -> None:
        for changes in commits:
            batch = WriteBatch(raw_mode=True)
            for key, value in changes:
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)
            self._database.write(batch)

    def _produce(
        self, producer: AIOKafkaProducer, records: Sequence[OutgoingRecord]
    ) -> Callable[[], Awaitable[None]]:
        async def write() -> None:
            for start in range(0, len(records), self._options.group):
                await produce(producer, records[start : start + self._options.group])

        return write

    async def _write_changelog(
        self, producer: AIOKafkaProducer, commits: Sequence[Sequence[Change]]
    ) -> None:
        for changes in commits:
            batch = producer.create_batch()
            for key, value in changes:
                batch.append(key=key, value=value, timestamp=None)
            await (await producer.send_batch(batch, _CHANGELOG, partition=0))

    async def _measure_reading(
        self,
        log: Sequence[OutgoingRecord],
        outcomes: Sequence[bytes],
        producer: AIOKafkaProducer,
    ) -> float:
        """A dispatcher reads the request, its event and the outcome."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._servers)
        await consumer.start()
        partitions = [TopicPartition("phone", number) for number in range(_PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        sent = [OutgoingRecord("phone", value, key=b"%d" % n) for n, value in enumerate(outcomes)]
        await produce(producer, [*log, *log, *sent])
        missing = 2 * len(log) + len(sent)

        async def read() -> None:
            nonlocal missing
            while missing > 0:
                batches = await consumer.getmany(timeout_ms=1000, max_records=500)
                missing -= sum(map(len, batches.values()))

        cpu_s = await measure(read)
        await consumer.stop()
        return cpu_s


def report(costs: dict[str, list[float]]) -> None:
    """Medians of all rounds."""
    total_us = 0.0
    for layer, values in costs.items():
        cost_us = statistics.median(values) * 1e6
        total_us += cost_us
        print(f"  {cost_us:7.0f} us  {layer}")
    print(f"  {total_us:7.0f} us  all: {1e6 / total_us:.0f} messages per CPU second")


async def profile(options: argparse.Namespace) -> None:
    """Where the intake and the phone stage spend their time."""
    layers = Layers(options.group, options.places)
    for is_warm in (False, True):
        profiler = cProfile.Profile()
        requests = layers.make_requests(options.messages)
        with profiler:
            await layers.take_in(requests)
        log = layers.publisher.take()
        with profiler:
            await layers.apply([record.value or b"" for record in log])
        while outcomes := make_outcomes(layers.publisher.take()):
            with profiler:
                await layers.apply(outcomes)
        if is_warm:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(50)


async def main(options: argparse.Namespace) -> None:
    """Measure, on a broker of its own."""
    if options.profile:
        return await profile(options)
    async with run_broker() as (broker, folder):
        bench = Bench(options, broker.bootstrap_servers, folder)
        await bench.run()
    report(bench.costs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--group", type=int, default=200, help="events of a commit")
    parser.add_argument("--places", type=int, default=1_000_000, help="of the account")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    print(machine())
    asyncio.run(main(parser.parse_args()))
