"""How each scenario of the dispatcher's benchmark is measured, in a world whose dispatchers are ready.

Each measurement uses phones that had no messages before.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from benchmarks.checkouts import stop
from benchmarks.dispatching.world import Cost, World

Measure: TypeAlias = Callable[[World, argparse.Namespace], Awaitable[Cost]]

_SENT_PER_WAITING_PHONE: Final = 30  # as many as the limit of a recipient allows in a minute
_WAITING_PHONES: Final = 20
_RATE_PER_S: Final = 50


async def until_sent(world: World, options: argparse.Namespace) -> Cost:
    """One message to each phone."""
    name = world.make_name()
    return await world.measure(name, world.make_requests(name, options.messages))


async def until_read(world: World, options: argparse.Namespace) -> Cost:
    """One message to each phone, with both receipts."""
    name = world.make_name("r-")
    return await world.measure(name, world.make_requests(name, options.messages), "read")


async def beside_busy_core(world: World, options: argparse.Namespace) -> Cost:
    """While another process does nothing but compute."""
    with _busy_core():
        return await until_sent(world, options)


@contextlib.contextmanager
def _busy_core() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        stop(process)


async def with_one_waiting(world: World, options: argparse.Namespace) -> Cost:
    """See `_measure_waiting`."""
    return await _measure_waiting(world, 1)


async def with_many_waiting(world: World, options: argparse.Namespace) -> Cost:
    """See `_measure_waiting`."""
    return await _measure_waiting(world, options.waiting)


async def _measure_waiting(world: World, waiting: int) -> Cost:
    """Messages to phones for which so many wait already, because their account is not ready."""
    name = world.make_name()
    phones = [request["to"] for request in world.make_requests(name, _WAITING_PHONES)]
    numbers = range(waiting * len(phones))
    await world.send(
        {"id": f"{name}-{n}", "to": phones[n % len(phones)], "text": "waits", "account": "closed"}
        for n in numbers
    )
    await world.statuses.wait(name, "accepted", len(numbers))
    name = world.make_name("r-")
    requests = [
        {"id": f"{name}-{n}", "to": phones[n % len(phones)], "text": "goes", "account": "account-0"}
        for n in range(_SENT_PER_WAITING_PHONE * len(phones))
    ]
    return await world.measure(name, requests, "read")


async def with_scheduled(world: World, options: argparse.Namespace) -> Cost:
    """Schedule many messages for tomorrow, restart the dispatcher, and send others as before."""
    name = world.make_name()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    requests = world.make_requests(name, options.scheduled, send_at=tomorrow)
    cost = await world.measure(name, requests, "accepted")
    world.stop_dispatchers()
    start_mono_s = time.monotonic()
    process = await world.start_dispatcher()
    print(
        f"  {options.scheduled} scheduled messages: accepted within {cost.elapsed_s:.1f} s"
        f" ({cost.cpu_s:.1f} CPU s), restarted within {time.monotonic() - start_mono_s:.1f} s"
        f" (process {process.pid})"
    )
    await until_sent(world, options)  # warms it up
    return await until_sent(world, options)


async def latency(world: World, options: argparse.Namespace) -> Cost:
    """From the call that produces a request to the arrival of its `accepted`, at a constant rate."""
    name, cpu_s = world.make_name(), world.read_cpu_s()
    produced_mono_s: list[float] = []
    begin_mono_s = time.monotonic()
    for number, request in enumerate(world.make_requests(name, options.messages)):
        await asyncio.sleep(max(0.0, begin_mono_s + number / _RATE_PER_S - time.monotonic()))
        produced_mono_s.append(time.monotonic())
        await world.send([request])
    await world.statuses.wait(name, "sent", options.messages)
    accepted_mono_s = world.statuses.accepted_mono_s
    times_ms = [
        (accepted_mono_s[f"{name}-{n}"] - at_s) * 1000 for n, at_s in enumerate(produced_mono_s)
    ]
    percentiles = statistics.quantiles(times_ms, n=100)
    print(f"  accepted: p50 {percentiles[49]:.1f} ms, p99 {percentiles[98]:.1f} ms")
    elapsed_s = time.monotonic() - begin_mono_s
    return Cost(options.messages, world.read_cpu_s() - cpu_s, elapsed_s)
