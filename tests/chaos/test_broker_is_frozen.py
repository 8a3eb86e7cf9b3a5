"""One of three brokers is frozen (SIGSTOP): its connections stay open, and it answers nothing.

Everything goes on with the new leaders: no record is more than 20 s late, none is lost, none is counted twice. Kafka
itself needs nine seconds to give up a broker, and two more if that was the controller. With `-s` the test prints how
late the records of each second were. About two minutes.
"""

import asyncio
import time
from collections import defaultdict
from pathlib import Path

import orjson
import pytest

from streams.kafka import admin
from tests.runtime.world import WorkerProcess, World, create_world, wait_until
from tests.support.broker import make_settings
from tests.support.cluster import SIZE, Cluster

pytestmark = [pytest.mark.broker, pytest.mark.chaos, pytest.mark.timeout(400)]

MAX_DELAY_S = 20.0
INTERVAL_S = 0.2
KEYS = 20


class Load:
    """Produces records steadily, and knows when each was handed to the producer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sent_at_s: dict[str, float] = {}
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        acknowledged = []
        try:
            while True:
                number = len(self.sent_at_s)
                self.sent_at_s[str(number)] = time.time()
                key = b"%d" % (number % KEYS)
                acknowledged += await self._world.enqueue([b"%d" % number], key=key)
                await asyncio.sleep(INTERVAL_S)
        finally:
            await asyncio.gather(*acknowledged)

    async def stop(self) -> None:
        """Return when every record is acknowledged."""
        self._task.cancel()
        await asyncio.wait([self._task])


async def _read_events(world: World) -> dict[str, tuple[float, set[int]]]:
    """For each record when it was first published, and with which counts."""
    events: dict[str, tuple[float, set[int]]] = {}
    for record in await world.read_topic(world.topics.status):
        event = orjson.loads(record.value or b"")
        published_s, counts = events.get(event["id"], (record.timestamp / 1000, set[int]()))
        events[event["id"]] = (published_s, counts | {event["count"]})
    return events


@pytest.mark.parametrize("number", range(SIZE))
async def test_everything_goes_on(cluster: Cluster, tmp_path: Path, number: int):
    """While a broker is frozen, records flow, a worker may be restarted, and commands are answered."""
    settings = make_settings(cluster, tmp_path, replication_factor=SIZE, kafka_session_timeout_s=10)
    async with create_world(settings) as world:
        worker = world.start_worker("counter", "dispatch-1")
        load = Load(world)
        await _wait_until_caught_up(world, worker, load)
        await wait_until(lambda: _has_no_backlog(world, load))
        frozen_s = time.time()
        cluster.brokers[number].suspend()
        try:
            await asyncio.sleep(MAX_DELAY_S)
            await _wait_until_caught_up(world, worker, load)
            async with asyncio.timeout(MAX_DELAY_S):
                assert not await admin.check_topics(settings)
            worker.kill()
            restarted_s, worker = time.time(), world.start_worker("counter", "dispatch-1")
            await _wait_until_caught_up(world, worker, load)
        finally:
            cluster.recover()
        await load.stop()
        await wait_until(world.has_no_lag)
        events = await _read_events(world)
        _check(events, load.sent_at_s, frozen_s, restarted_s)


async def _has_no_backlog(world: World, load: Load) -> bool:
    """Whether what is late from now on is late because of the freeze, and not since the worker's start."""
    published = len(await _read_events(world))
    return len(load.sent_at_s) - published <= 1 / INTERVAL_S


async def _wait_until_caught_up(world: World, worker: WorkerProcess, load: Load) -> None:
    """Wait until everything is published that was sent before this call, and something was."""

    async def is_published() -> bool:
        assert worker.is_alive, worker.log
        return sent <= (await _read_events(world)).keys()

    await wait_until(lambda: len(load.sent_at_s) >= KEYS)
    sent = set(load.sent_at_s)
    try:
        await wait_until(is_published)
    except AssertionError:
        raise AssertionError(f"the worker does not catch up: {worker.log[-9000:]}") from None


def _check(
    events: dict[str, tuple[float, set[int]]],
    sent_at_s: dict[str, float],
    frozen_s: float,
    restarted_s: float,
) -> None:
    assert events.keys() == sent_at_s.keys()
    assert all(len(counts) == 1 for _, counts in events.values())
    delays_s: defaultdict[str, list[float]] = defaultdict(list)
    for id_, (published_s, _) in events.items():
        phase = "running" if published_s < restarted_s else "restarted"
        if published_s > frozen_s:
            delays_s[phase].append(published_s - sent_at_s[id_])
    _print_timeline(events, sent_at_s, frozen_s)
    longest_s = {phase: max(values) for phase, values in delays_s.items()}
    assert max(longest_s.values()) <= MAX_DELAY_S, longest_s
    print("the longest delays, in seconds:", longest_s)


def _print_timeline(
    events: dict[str, tuple[float, set[int]]], sent_at_s: dict[str, float], frozen_s: float
) -> None:
    """Since the freeze, for each second in which anything was published: how many records, and how late."""
    delays_s: defaultdict[int, list[float]] = defaultdict(list)
    for id_, (published_s, _) in events.items():
        delays_s[int(published_s - frozen_s)].append(published_s - sent_at_s[id_])
    for second, values in sorted(delays_s.items()):
        print(f"{second:4d} s: {len(values):3d} records, up to {max(values):.1f} s late")
