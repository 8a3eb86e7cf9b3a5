"""Whether a dispatcher, its tables and its topics grow without bound, over many messages; no browser is needed.

    python -m benchmarks.growth [--messages 100000] [--phones 20000]

The messages go round the same recipients, so that after the first round only what should not grow can grow. After
each block of messages: PSS of the dispatcher, its tables on disk, and the size of each topic on the broker. Topics
whose retention is days grow with what is written; those that are compacted should level off. Needs no network.
"""

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from benchmarks.browser_common import machine
from benchmarks.dispatching.world import World, open_world
from benchmarks.soak import growth
from benchmarks.world import run_broker

TREE: Final = Path(__file__).parents[1]
MB: Final = 2**20
BLOCKS: Final = 20
Sample = dict[str, float]


async def main(messages: int, phones: int) -> None:
    """Print each sample, then how much each grows by the second half."""
    print(machine())
    async with (
        run_broker() as (broker, folder),
        open_world(TREE, broker.bootstrap_servers, folder) as world,
    ):
        await _measure(world, folder, messages // BLOCKS, phones)


async def _measure(world: World, folder: Path, block: int, phones: int) -> None:
    samples: list[Sample] = []
    recipients = [f"+90{5_320_000_000 + number}" for number in range(phones)]
    for number in range(BLOCKS):
        name = world.make_name("r-")
        first = number * block
        requests = [
            {"id": f"{name}-{n}", "to": recipients[(first + n) % phones], "text": f"text {n}"}
            for n in range(block)
        ]
        cost = await world.measure(name, requests, "read")
        samples.append(_sample(world, folder))
        figures = "   ".join(f"{key} {value:.1f}" for key, value in samples[-1].items())
        print(f"{first + block:7} read, {block / cost.elapsed_s:.0f}/s   MB: {figures}", flush=True)
    print(f"MB for each {block} messages, by the second half, and the highest:")
    half = samples[len(samples) // 2 :]
    for key in samples[-1]:
        values = [sample.get(key, 0.0) for sample in half]
        print(f"  {key:<40} {growth(values):+.2f}   {max(s.get(key, 0.0) for s in samples):.1f}")


def _sample(world: World, folder: Path) -> Sample:
    dispatcher = psutil.Process(world.dispatchers[0].pid)
    data_dir = Path(world.environ["WA_DATA_DIR"])
    prefix = world.environ["WA_TOPIC_PREFIX"]
    sample = {
        "dispatcher": dispatcher.memory_full_info().pss / MB,
        "tables": sum(_sizes(data_dir / "tables")) / MB,
    }
    topics: dict[str, float] = {}
    for partition in (folder / "broker").rglob(f"*{prefix}*"):
        if partition.is_dir():
            topic = partition.name.rpartition("-")[0].replace(f"{prefix}.", "")
            topic = topic.removeprefix(f"{prefix}-dispatch-")
            topics[topic] = topics.get(topic, 0.0) + sum(_sizes(partition)) / MB
    return sample | {topic: size for topic, size in sorted(topics.items()) if size >= 1}


def _sizes(folder: Path) -> Iterator[int]:
    """Of the records only: a broker reserves 10 MB for each index of an open segment."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix not in (".index", ".timeindex"):
            yield path.stat().st_blocks * 512


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--phones", type=int, default=20_000)
    options = parser.parse_args()
    asyncio.run(main(options.messages, options.phones))
