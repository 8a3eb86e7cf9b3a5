"""Where a dispatcher spends its time while messages go through it (scenario a of `dispatcher`), by py-spy.

    python -m benchmarks.dispatcher_profile [--messages N] [--places N] [--receipts] [--output FILE]

With 16 places of the account, it is scenario c; with `--receipts`, scenario b.

Open the file at https://www.speedscope.app (it is read in the browser), or with any other reader of that format.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from benchmarks.browser_common import machine
from benchmarks.dispatching import measurements
from benchmarks.dispatching.world import World, open_world
from benchmarks.world import run_broker

TREE: Final = Path(__file__).parents[1]
_SAMPLES_PER_S: Final = 200
_TOP: Final = 30
_OUTERMOST: Final = 0.6  # functions with a larger share only start the program
# A kernel with Yama lets only a parent look into a process, unless the process allows it to all (PR_SET_PTRACER).
_ALLOW_TRACING: Final = (
    "import ctypes, runpy;"
    "ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0);"
    "runpy.run_module('streams.cli', run_name='__main__', alter_sys=True)"
)


async def main(options: argparse.Namespace) -> None:
    """Record while the messages go through."""
    async with run_broker() as (broker, folder):
        opened = open_world(
            TREE,
            broker.bootstrap_servers,
            folder,
            dispatchers=0,
            max_in_flight=options.places,
        )
        async with opened as world:
            world.program = ("-c", _ALLOW_TRACING)
            await world.start_dispatcher()
            await measurements.until_sent(world, options)  # warms it up
            await record(world, options)


async def record(world: World, options: argparse.Namespace) -> None:
    """Send all messages while py-spy takes its samples."""
    pid, output = world.dispatchers[0].pid, str(options.output)
    command = ["record", "--pid", str(pid), "--rate", str(_SAMPLES_PER_S)]
    command += ["--format", "speedscope", "--output", output]
    program = Path(sys.executable).with_name("py-spy")
    profiler = await asyncio.create_subprocess_exec(program, *command)
    measure = measurements.until_read if options.receipts else measurements.until_sent
    cost = await measure(world, options)
    if profiler.returncode is None:
        profiler.send_signal(signal.SIGINT)
    if await profiler.wait() != 0:
        sys.exit("py-spy could not look into the dispatcher; run this as root")
    print(f"{cost.messages / cost.cpu_s:.0f} messages per CPU second, the profiler included")


def read_samples(path: Path) -> list[tuple[list[str], float]]:
    """The stacks of all threads, outermost function first, with their weights."""
    profile = json.loads(path.read_bytes())
    frames = [_describe(frame) for frame in profile["shared"]["frames"]]
    return [
        ([frames[index] for index in stack], weight)
        for thread in profile["profiles"]
        for stack, weight in zip(thread["samples"], thread["weights"], strict=True)
    ]


def _describe(frame: dict[str, Any]) -> str:
    *_, folder, name = ("", *str(frame["file"]).split("/"))
    return f"{frame['name']} ({folder}/{name})"


def report(samples: Iterable[tuple[list[str], float]]) -> None:
    """The functions that take the most time, alone and with what they call."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    total = 0.0
    for stack, weight in samples:
        total += weight
        own[stack[-1]] += weight
        for function in set(stack):
            whole[function] += weight
    for title, counts in (("alone", own), ("with what they call", whole)):
        print(f"\n  % of the samples, {title}")
        shown = [(f, w) for f, w in counts.most_common() if w < _OUTERMOST * total]
        for function, weight in shown[:_TOP]:
            print(f"  {100 * weight / total:5.1f}  {function}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--places", type=int, default=1_000_000, help="of the account")
    parser.add_argument("--receipts", action="store_true", help="with `delivered` and `read`")
    parser.add_argument("--output", type=Path, default=Path("dispatcher.speedscope.json"))
    options = parser.parse_args()
    print(machine())
    asyncio.run(main(options))
    report(read_samples(options.output))
    print(f"\n  {options.output}: open it at https://www.speedscope.app")
