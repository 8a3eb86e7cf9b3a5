"""What a member of a batch costs the dispatcher, compared with a single request: CPU time and elapsed time.

    python -m benchmarks.batch_members [--messages 1000] [--rounds 3]

A sender that acknowledges at once is played by this process. Each round sends as many single requests as batch
members, to new phones, in turn. The dispatcher's CPU time counts from the first record to the last `sent`, and for a
batch until `wa.batches` says that it is finished. Needs no network.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import psutil

from benchmarks.browser_common import machine
from benchmarks.world import run_broker
from tests.support.broker import make_settings
from tests.support.caller import Caller
from tests.support.dispatching import FakeSender, start_dispatcher
from tests.support.waiting import wait_until

MEMBERS_PER_RECORD = 500
FINISH_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Cost:
    """Of one round, per message."""

    cpu_ms: float  # of the dispatcher
    elapsed_ms: float


@dataclass
class Bench:
    """A dispatcher, and the sender that this process plays."""

    caller: Caller
    dispatcher: psutil.Process
    statuses: list[Any]  # records of `wa.status`
    batches: list[Any]  # records of `wa.batches`

    async def measure(
        self, count: int, send: Callable[[], Awaitable[None]], is_done: Callable[[], bool]
    ) -> Cost:
        """Send, wait until it is done, and divide what that cost."""
        cpu_s, start_s = self._read_cpu_s(), time.monotonic()
        await send()
        await wait_until(is_done, timeout_s=FINISH_TIMEOUT_S)
        return Cost(
            (self._read_cpu_s() - cpu_s) / count * 1000, (time.monotonic() - start_s) / count * 1000
        )

    def _read_cpu_s(self) -> float:
        times = self.dispatcher.cpu_times()
        return times.user + times.system

    async def measure_single(self, name: str, requests: list[dict[str, Any]]) -> Cost:
        """The requests one by one."""
        seen = SentCount(self.statuses, name)
        return await self.measure(
            len(requests),
            lambda: self.caller.request(*requests),
            lambda: seen.count() == len(requests),
        )

    async def measure_batch(self, name: str, requests: list[dict[str, Any]]) -> Cost:
        """The requests as members of one batch."""
        starts = range(0, len(requests), MEMBERS_PER_RECORD)
        records = [
            {
                "type": "batch",
                "batch_id": name,
                "total": len(requests),
                "first": first,
                "messages": requests[first : first + MEMBERS_PER_RECORD],
            }
            for first in starts
        ]

        def is_finished() -> bool:
            progress = [record for record in self.batches if record.key == name.encode()]
            return bool(progress) and orjson.loads(progress[-1].value)["finished_at"] is not None

        return await self.measure(len(requests), lambda: self.caller.request(*records), is_finished)


class SentCount:
    """How many messages of a round are `sent`; reads each status event once."""

    def __init__(self, records: list[Any], name: str) -> None:
        self._records = records
        self._prefix = f"{name}-"
        self._next_index = len(self._records)
        self._ids: set[str] = set()

    def count(self) -> int:
        """The number so far."""
        for record in self._records[self._next_index :]:
            event = orjson.loads(record.value)
            if event["status"] == "sent" and event["id"].startswith(self._prefix):
                self._ids.add(event["id"])
        self._next_index = len(self._records)
        return len(self._ids)


def make_requests(name: str, first: int, count: int) -> list[dict[str, Any]]:
    """Requests to phones that had none before."""
    return [
        {"id": f"{name}-{n}", "to": f"+90555{1_000_000 + first + n}", "text": f"message {n}"}
        for n in range(count)
    ]


async def acknowledge_for_ever(sender: FakeSender) -> None:
    """Answer each dispatch with `Sent`."""
    while True:
        command = await sender.take_command(FINISH_TIMEOUT_S)
        await sender.publish_outcome(command)


async def main(count: int, rounds: int) -> None:
    """Run the benchmark."""
    print(machine())
    async with run_broker() as (broker, folder):
        settings = make_settings(broker, folder / "data", account_max_in_flight=256)
        system = await start_dispatcher(settings)
        try:
            await _run_rounds(system, settings, count, rounds)
        finally:
            system.stop()


async def _run_rounds(system: Any, settings: Any, count: int, rounds: int) -> None:
    costs: dict[str, list[Cost]] = {"single": [], "batch": []}
    async with Caller(settings).open() as caller:
        sender = FakeSender(caller)
        await sender.publish_state("ready")
        caller.run_in_background(acknowledge_for_ever(sender))
        (worker,) = system.workers
        bench = Bench(
            caller,
            psutil.Process(worker.process.pid),
            caller.follow(caller.names.status),
            caller.follow(caller.names.batches),
        )
        await bench.measure_single("warm", make_requests("warm", 0, count))
        for number in range(rounds):
            first = count * (2 * number + 1)
            name = f"single{number}"
            costs["single"].append(
                await bench.measure_single(name, make_requests(name, first, count))
            )
            name = f"batch{number}"
            costs["batch"].append(
                await bench.measure_batch(name, make_requests(name, first + count, count))
            )
    _report(costs, count)


def _report(costs: dict[str, list[Cost]], count: int) -> None:
    medians = {
        kind: statistics.median(cost.cpu_ms for cost in rounds) for kind, rounds in costs.items()
    }
    for kind, rounds in costs.items():
        elapsed_ms = statistics.median(cost.elapsed_ms for cost in rounds)
        print(
            f"  {kind:<7} {medians[kind]:6.2f} ms of CPU, {elapsed_ms:6.2f} ms elapsed, per message"
            f"   n={count}, {len(rounds)} rounds"
        )
    print(
        f"  a member of a batch costs {medians['batch'] / medians['single']:.2f} of a single request"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(main(options.messages, options.rounds))
