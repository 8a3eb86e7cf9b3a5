"""Whether anything grows without bound: memory of each process, and the tables, over many messages.

    python -m benchmarks.soak [--messages 20000] [--page-heap-mb 512]

The whole service sends as fast as it can, two messages to each phone, and every phone is new. After each
thousand messages the PSS of each process is sampled, and the CPU time that a message took. Before the first one, the
CPU time of a minute without messages is measured. The growth is the median of the slopes between all pairs of
samples of the second half (the Theil-Sen estimator), because garbage is collected at any time. With a small heap
the page is reloaded again and again. Needs no network.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import psutil

from benchmarks.browser_common import machine
from benchmarks.end_to_end import MB, Stopwatch, reading
from benchmarks.world import World, world
from tests.support.system import Worker

BLOCK = 1000
IDLE_S = 60
Sample = dict[str, float]


async def main(messages: int, page_heap_mb: int) -> None:
    """Print each sample, then the growth of each process."""
    print(machine())
    async with world(partitions=8, whatsapp_page_heap_mb=page_heap_mb) as service:
        workers = service.system.start_dispatcher(), service.system.start_sender()
        await asyncio.gather(*(worker.wait_until_ready() for worker in workers))
        async with reading(service) as watch:
            await _print_idle(service, *workers)
            await _soak(service, watch, workers, messages)


async def _print_idle(service: World, dispatcher: Worker, sender: Worker) -> None:
    before = _read_cpu_s(dispatcher, sender)
    await asyncio.sleep(IDLE_S)
    print(
        f"without messages, CPU ms/s: {_describe_cpu(before, _read_cpu_s(dispatcher, sender), IDLE_S)}"
    )


def _describe_cpu(before: Sample, after: Sample, count: int) -> str:
    """The CPU milliseconds for each of so many seconds or messages."""
    return "   ".join(f"{key} {(after[key] - before[key]) / count * 1000:.1f}" for key in after)


async def _soak(
    service: World, watch: Stopwatch, workers: tuple[Worker, Worker], messages: int
) -> None:
    samples: list[Sample] = []
    for start in range(0, messages, BLOCK):
        began_s, cpu_s = time.monotonic(), _read_cpu_s(*workers)
        await _block(service, watch, start)
        rate = BLOCK / (time.monotonic() - began_s)
        cpu = _describe_cpu(cpu_s, _read_cpu_s(*workers), BLOCK)
        samples.append(_sample(service, *workers))
        figures = "   ".join(f"{name} {value:6.1f}" for name, value in samples[-1].items())
        print(f"{start + BLOCK:7} sent, {rate:5.1f}/s   MB: {figures}   CPU ms: {cpu}", flush=True)
    print("MB for each 1,000 messages, by the second half:")
    half = samples[len(samples) // 2 :]
    for name in half[0]:
        print(f"  {name:<11} {growth([sample[name] for sample in half]):+.2f}")


async def _block(service: World, watch: Stopwatch, start: int) -> None:
    """Two messages to each phone."""
    numbers = range(start, start + BLOCK)
    requests = [
        {"id": f"soak-{number}", "to": f"+90555{1_000_000 + number // 2}", "text": f"no {number}"}
        for number in numbers
    ]
    await service.caller.request(*requests)
    await watch.all_seen([f"soak-{number}" for number in numbers], "sent")


def _sample(service: World, dispatcher: Worker, sender: Worker) -> Sample:
    memory = {name: _pss(*each) for name, each in _find_processes(dispatcher, sender).items()}
    return memory | {"tables": _size(service.system.settings.data_dir / "tables")}


def _find_processes(dispatcher: Worker, sender: Worker) -> dict[str, list[psutil.Process]]:
    process = psutil.Process(sender.process.pid)
    children = process.children(recursive=True)
    driver = [child for child in children if "node" in child.exe()]
    return {
        "dispatcher": [psutil.Process(dispatcher.process.pid)],
        "sender": [process],
        "driver": driver,
        "browser": [child for child in children if child not in driver],
    }


def _read_cpu_s(dispatcher: Worker, sender: Worker) -> Sample:
    """Of the processes that run now; those of a page that was reloaded are missing."""
    return {
        name: sum(sum(each.cpu_times()[:2]) for each in processes)
        for name, processes in _find_processes(dispatcher, sender).items()
    }


def _pss(*processes: psutil.Process) -> float:
    return sum(process.memory_full_info().pss for process in processes) / MB


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MB


def growth(values: Sequence[float]) -> float:
    """The growth per sample: the median of the slopes of all pairs."""
    pairs = combinations(enumerate(values), 2)
    return statistics.median((b - a) / (j - i) for (i, a), (j, b) in pairs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--page-heap-mb", type=int, default=512)
    options = parser.parse_args()
    asyncio.run(main(options.messages, options.page_heap_mb))
