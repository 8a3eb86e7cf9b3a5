"""Messages per CPU second of a real dispatcher, on a real broker, with a stand-in for the senders.

    python -m benchmarks.dispatcher [--scenarios a,c] [--messages N] [--rounds R] [--tree OTHER_CHECKOUT]

With `--tree`, each round also runs with the dispatcher of another checkout: the previous version beside the new one.
Scenarios (all but h count until `sent`):

    a  each message to another new phone, and nobody waits for a place
    b  the same, with `delivered` and `read`
    c  all phones wait for the 16 places of one account
    d  a second process keeps a core busy
    e  two dispatchers share the work
    f  messages to phones for which many others wait already (--waiting), relative to one
    g  many scheduled messages (--scheduled): how long until all are accepted, how long a restart takes, then a
    h  `accepted`, at 50 messages/s
    i  as c, with the places of 100 accounts
    j  as a, with 100 accounts
"""

import argparse
import asyncio
import statistics
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.browser_common import machine
from benchmarks.checkouts import HERE
from benchmarks.dispatching import measurements
from benchmarks.dispatching.measurements import Measure
from benchmarks.dispatching.world import Cost, World, open_world
from benchmarks.world import run_broker


@dataclass(frozen=True)
class Scenario:
    """How one scenario is measured. `base`: what it is compared with. `world`: the options of a world of its own."""

    measure: Measure
    base: str = "a"
    world: dict[str, int] | None = None
    is_repeated: bool = True


SCENARIOS: Final = {
    "a": Scenario(measurements.until_sent),
    "b": Scenario(measurements.until_read),
    "c": Scenario(measurements.until_sent, world={"max_in_flight": 16}),
    "d": Scenario(measurements.beside_busy_core),
    "e": Scenario(measurements.until_sent, world={"dispatchers": 2}),
    "f": Scenario(measurements.with_many_waiting, base="f1"),
    "f1": Scenario(measurements.with_one_waiting, base="f1"),
    "g": Scenario(measurements.with_scheduled, is_repeated=False, world={}),
    "h": Scenario(measurements.latency, is_repeated=False),
    "i": Scenario(measurements.until_sent, world={"max_in_flight": 16, "accounts": 100}),
    "j": Scenario(measurements.until_sent, world={"accounts": 100}),
}


class Bench:
    """The costs of all rounds, by checkout and scenario."""

    def __init__(self, trees: dict[str, Path], options: argparse.Namespace) -> None:
        self._trees = trees
        self._options = options
        self._folder = Path()
        self._servers = ""
        self.costs: defaultdict[tuple[str, str], list[Cost]] = defaultdict(list)

    async def run(self, names: list[str]) -> None:
        """All scenarios, on a broker of their own."""
        async with run_broker() as (broker, folder):
            self._folder = folder
            self._servers = broker.bootstrap_servers
            async with self._open_worlds({}) as worlds:
                for name in names:
                    await self._run_scenario(name, worlds)

    async def _run_scenario(self, name: str, base_worlds: dict[str, World]) -> None:
        """In turns with the one that it is compared with, and the checkouts in turns."""
        scenario = SCENARIOS[name]
        async with AsyncExitStack() as stack:
            worlds = base_worlds
            if scenario.world is not None:
                worlds = await stack.enter_async_context(self._open_worlds(scenario.world))
            for number in range(self._options.rounds if scenario.is_repeated else 1):
                for label in self._trees:
                    is_base_missing = len(self.costs[label, scenario.base]) <= number
                    if scenario.base != name and is_base_missing:
                        await self._measure(label, scenario.base, base_worlds[label])
                    await self._measure(label, name, worlds[label])

    @asynccontextmanager
    async def _open_worlds(self, options: dict[str, int]) -> AsyncIterator[dict[str, World]]:
        async with AsyncExitStack() as stack:
            worlds: dict[str, World] = {}
            for label, tree in self._trees.items():
                opened = open_world(tree, self._servers, self._folder, **options)
                worlds[label] = await stack.enter_async_context(opened)
                await measurements.until_sent(worlds[label], self._options)  # warms it up
            yield worlds

    async def _measure(self, label: str, name: str, world: World) -> None:
        cost = await SCENARIOS[name].measure(world, self._options)
        self.costs[label, name].append(cost)
        rate = cost.messages / cost.cpu_s
        print(f"  {label:<5} {name:<3} {rate:7.0f} messages per CPU second", flush=True)

    # -- the table

    def report(self) -> None:
        """Medians, and the cost of a message relative to the scenario's base."""
        print("\n  code  scenario  messages/CPU s  messages/s   CPU, relative   time, relative")
        for label, name in sorted(self.costs, key=lambda each: (each[1], each[0])):
            base = SCENARIOS[name].base
            print(
                f"  {label:<5} {name:<9} {1 / self._cpu_s(label, name):13.0f} "
                f"{1 / self._elapsed_s(label, name):11.0f} "
                f"{self._cpu_s(label, name) / self._cpu_s(label, base):10.2f} of {base:<2}"
                f"{self._elapsed_s(label, name) / self._elapsed_s(label, base):10.2f} of {base}"
            )

    def _cpu_s(self, label: str, name: str) -> float:
        return statistics.median(c.cpu_s / c.messages for c in self.costs[label, name])

    def _elapsed_s(self, label: str, name: str) -> float:
        return statistics.median(c.elapsed_s / c.messages for c in self.costs[label, name])


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenarios", default="a,b,c,d,e,f,g,h", help="separated by commas")
    parser.add_argument("--messages", type=int, default=2000, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--waiting", type=int, default=1000, help="for each phone of f")
    parser.add_argument("--scheduled", type=int, default=60_000, help="messages of g")
    parser.add_argument("--tree", type=Path, help="another checkout, measured beside this one")
    return parser.parse_args()


if __name__ == "__main__":
    options = _parse_options()
    trees = {"new": HERE} | ({"other": options.tree.resolve()} if options.tree else {})
    print(machine())
    bench = Bench(trees, options)
    asyncio.run(bench.run(options.scenarios.split(",")))
    bench.report()
