"""How far behind an open console is under load, and what it takes from a dispatcher beside it; no browser is needed.

    python -m benchmarks.console [--rate 500] [--seconds 20] [--pages 4] [--messages 2000] [--rounds 2]

Messages go through a dispatcher with a stand-in for the senders, up to `read`. Each open page is a stream of
events that loads the overview again whenever something has changed, as a browser does. The delay is the time from a
status on `wa.status`, as another consumer sees it, until the console's API has it. Then the same number of messages is
sent as fast as possible with and without the console, in turns: the ratio is what the console costs its neighbour.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import psutil

from benchmarks.browser_common import machine
from benchmarks.checkouts import stop
from benchmarks.dispatching.world import READY_TIMEOUT_S, Cost, World, open_world
from benchmarks.world import run_broker
from tests.support.waiting import wait_until

TREE: Final = Path(__file__).parents[1]
_TICK_S: Final = 0.1
_POLL_S: Final = 0.05
_DELAY_TIMEOUT_S: Final = 120.0


@dataclass
class RunningConsole:
    """A console as a process, and open pages."""

    process: psutil.Process
    url: str
    http: aiohttp.ClientSession
    loads: int = 0  # how often a page was loaded again

    async def follow(self) -> None:
        """An open page."""
        async with self.http.get(f"{self.url}/live", timeout=aiohttp.ClientTimeout(None)) as stream:
            async for line in stream.content:
                if line.startswith(b"event:"):
                    async with self.http.get(f"{self.url}/") as response:
                        assert response.status == 200
                        await response.read()
                    self.loads += 1

    async def wait_for(self, to: str, id: str) -> None:
        """Until the API has the message."""
        url = f"{self.url}/api/messages/{quote(to, safe='')}/{quote(id, safe='')}"
        async with asyncio.timeout(_DELAY_TIMEOUT_S):
            while True:
                async with self.http.get(url) as response:
                    if response.status == 200:
                        return
                await asyncio.sleep(_POLL_S)

    def read_cpu_s(self) -> float:
        """Of the console so far."""
        times = self.process.cpu_times()
        return times.user + times.system


@asynccontextmanager
async def open_console(world: World, pages: int) -> AsyncIterator[RunningConsole]:
    """A console that has read the topics, with open pages."""
    process = world.start_process("-m", "streams.cli", "console")
    run_file = Path(world.environ["WA_DATA_DIR"]) / "run" / "console.json"

    async def is_ready() -> bool:
        return await world._is_ready("console", process)

    try:
        await wait_until(is_ready, timeout_s=READY_TIMEOUT_S)
        url = json.loads(run_file.read_bytes())["web"]
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            async with http.get(f"{url}/") as response:  # begins the session
                await response.read()
            console = RunningConsole(psutil.Process(process.pid), url, http)
            tasks = [asyncio.create_task(console.follow()) for _ in range(pages)]
            try:
                yield console
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        stop(process)


async def measure_delay(world: World, console: RunningConsole, rate: int, seconds: int) -> None:
    """Send at this rate, and look for one message of each second."""
    name = world.make_name("r-")
    requests = world.make_requests(name, rate * seconds)
    delays: list[asyncio.Task[float]] = []
    cpu_s, start_s = console.read_cpu_s(), time.monotonic()
    step = max(1, round(rate * _TICK_S))
    for first in range(0, len(requests), step):
        await world.send(requests[first : first + step])
        if first % rate < step:
            delays.append(asyncio.create_task(_measure_one(world, console, requests[first])))
        await asyncio.sleep(max(0.0, start_s + (first + step) / rate - time.monotonic()))
    sent_s = time.monotonic() - start_s
    await world.statuses.wait(name, "read", len(requests))
    values = [await delay for delay in delays]
    elapsed_s = time.monotonic() - start_s
    print(
        f"{len(requests) / sent_s:.0f} messages/s requested, {len(requests) / elapsed_s:.0f}/s read; "
        f"delay of the console: p50 {statistics.median(values):.2f} s, highest {max(values):.2f} s (goal 2 s); "
        f"{console.loads} pages loaded; the console used {(console.read_cpu_s() - cpu_s) / elapsed_s:.2f} of a core"
    )


async def _measure_one(world: World, console: RunningConsole, request: dict[str, Any]) -> float:
    accepted = world.statuses.accepted_mono_s
    await wait_until(lambda: request["id"] in accepted, timeout_s=_DELAY_TIMEOUT_S)
    await console.wait_for(request["to"], request["id"])
    return time.monotonic() - accepted[request["id"]]


async def measure_neighbour(world: World, pages: int, messages: int, rounds: int) -> None:
    """The dispatcher's throughput, with and without the console in turns."""
    costs: dict[str, list[Cost]] = {"without": [], "with": []}
    for _ in range(rounds):
        costs["without"].append(await _flood(world, messages))
        async with open_console(world, pages):
            costs["with"].append(await _flood(world, messages))
    per_s = {
        key: statistics.median(cost.messages / cost.elapsed_s for cost in list)
        for key, list in costs.items()
    }
    per_cpu_s = {
        key: statistics.median(cost.messages / cost.cpu_s for cost in list)
        for key, list in costs.items()
    }
    for title, values in (("messages/s", per_s), ("messages per CPU second", per_cpu_s)):
        print(
            f"{title} of the dispatcher: {values['without']:.0f} without the console, {values['with']:.0f} with it: "
            f"{values['with'] / values['without']:.2f} (goal 0.95)"
        )


async def _flood(world: World, messages: int) -> Cost:
    name = world.make_name("r-")
    return await world.measure(name, world.make_requests(name, messages), "read")


async def main(options: argparse.Namespace) -> None:
    """Run the benchmark."""
    print(machine())
    async with (
        run_broker() as (broker, folder),
        open_world(TREE, broker.bootstrap_servers, folder) as world,
    ):
        await _flood(world, 200)  # to warm up
        async with open_console(world, options.pages) as console:
            await measure_delay(world, console, options.rate, options.seconds)
        await measure_neighbour(world, options.pages, options.messages, options.rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--pages", type=int, default=4)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    asyncio.run(main(parser.parse_args()))
