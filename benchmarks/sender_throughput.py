"""Messages/s of one account: dispatches through its send pipeline, compared with bare wa-js in a loop, pacing off.

    python -m benchmarks.sender_throughput [--rounds 5] [--acks 0 20 150] [--tree OTHER_CHECKOUT]

Both run on one sandbox, each in a browser of its own with the same arguments, in alternating blocks. A
block's rate is that of its arrivals at the sandbox. The sender is a real process on an embedded broker: it
stores a durable claim and publishes a durable outcome for each message. The CPU time of a message is printed for each
kind of process; that of the benchmark itself is in the Python of bare wa-js. Needs no network.

With `--tree`, each round also has a block of a sender of another checkout, the previous version: on the same broker and
the same sandbox (this checkout's), with topics of its own. It must understand this version's dispatches.
"""

import argparse
import asyncio
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.browser_common import machine
from benchmarks.browser_send import bare
from benchmarks.checkouts import HERE, make_environ, start_process, stop
from benchmarks.cpu_by_process import KINDS, read_cpu_s
from benchmarks.world import World, world
from streams.domain.phone import events
from streams.domain.phone.events import Outcome, Sent
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand
from streams.settings import to_environment
from tests.support.caller import Caller
from tests.support.waiting import wait_until
from tests.support.whatsapp import read_account_record

ACCOUNT = "main"
PHONES = 20
READY_TIMEOUT_S = 120.0
BLOCKS = {0: 300, 20: 200, 150: 50}  # messages of a block, by the page's ack in ms

PIPELINE, OTHER, BARE = "pipeline", "other", "bare"  # what is measured

Block = Callable[[str, int], Awaitable[None]]


class SendTopic:
    """The account's send topic, and the outcomes that the sender publishes."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._log = caller.follow(caller.names.phone)

    async def block(self, name: str, count: int) -> None:
        """Produce `count` dispatches at once; returns when all have an outcome."""
        records = [(command.encode(_command(name, n)), b"") for n in range(count)]
        await self._caller.produce(*records, topic=self._caller.names.send(ACCOUNT))
        await wait_until(lambda: self._sent(name) >= count, timeout_s=600)

    def _sent(self, name: str) -> int:
        decoded = (events.decode(record.value) for record in self._log)
        outcomes = [e for e in decoded if isinstance(e, Outcome) and e.id.startswith(name)]
        assert all(isinstance(outcome.result, Sent) for outcome in outcomes), outcomes
        return len(outcomes)


def _command(name: str, number: int) -> SendCommand:
    digits = f"601200000{number % PHONES:02}"
    return SendCommand(
        phone=f"+{digits}",
        id=f"{name}{number:04}",
        dispatch_number=1,
        account=ACCOUNT,
        timeout_s=600.0,
        content=orjson.dumps({"type": "text", "body": "hello"}),
        chat_id=f"{digits}@c.us",
    )


@asynccontextmanager
async def open_sender(
    label: str, tree: Path, service: World
) -> AsyncIterator[tuple[SendTopic, int]]:
    """A sender with the code of the checkout, once its account is ready: its send topic, and its process id."""
    base = service.system.settings
    data_dir = service.folder / label
    data_dir.mkdir()
    settings = replace(base, topic_prefix=f"{base.topic_prefix}-{label}", data_dir=data_dir)
    environ, log = make_environ(tree, to_environment(settings)), data_dir / "log"
    program = ("-m", "streams.cli")
    topics = start_process(tree, environ, log, *program, "topics", "create")
    assert await asyncio.to_thread(topics.wait) == 0, log.read_text(errors="replace")[-3000:]
    async with Caller(settings).open() as caller:
        sender = start_process(tree, environ, log, *program, "sender", "--account", ACCOUNT)
        try:
            await wait_until(
                lambda: (read_account_record(caller, ACCOUNT) or {}).get("state") == "ready",
                timeout_s=READY_TIMEOUT_S,
                message=f"{tree}: no sender is ready; its log is {log}",
            )
            yield SendTopic(caller), sender.pid
        finally:
            await asyncio.to_thread(stop, sender)


class Blocks:
    """Runs blocks, and keeps the rate of each and the CPU seconds of each kind of process.

    `ways` are those of the workers, in the order of their process ids, and last that of the benchmark itself.
    """

    def __init__(self, url: str, worker_pids: list[int], ways: dict[str, Block]) -> None:
        self._url = url
        self._worker_pids = worker_pids
        self._ways = ways
        self.rates: dict[str, list[float]] = {}
        self.cpu_s: dict[str, Counter[str]] = {}
        self.count = 0  # messages of each way

    async def run(self, run: str, ack_ms: int, rounds: int) -> None:
        """Alternate the ways for some rounds."""
        self.rates = {name: [] for name in self._ways}
        self.cpu_s = {name: Counter() for name in self._ways}
        self.count = rounds * BLOCKS[ack_ms]
        for number in range(rounds):
            for position, (name, way) in enumerate(self._ways.items()):
                before = len(await _log(self._url))
                cpu_before_s = read_cpu_s(*self._worker_pids)[position]
                await way(f"3EB0{name}{run}{number:02}".upper(), BLOCKS[ack_ms])
                self.cpu_s[name] += read_cpu_s(*self._worker_pids)[position] - cpu_before_s
                self._record_rate(name, (await _log(self._url))[before:], BLOCKS[ack_ms])

    def _record_rate(self, name: str, rows: list[dict[str, Any]], count: int) -> None:
        assert len(rows) == count, f"{len(rows)} arrivals"
        first, last = (datetime.fromisoformat(rows[i]["at"]).timestamp() for i in (0, -1))
        self.rates[name].append((len(rows) - 1) / (last - first))


async def _log(url: str) -> list[dict[str, Any]]:
    async with aiohttp.request("GET", f"{url}/log") as answer:
        return orjson.loads(await answer.read())


def report(ack_ms: int, blocks: Blocks) -> None:
    """The medians, each way relative to bare wa-js, and the pipeline relative to the other checkout's."""
    medians = "   ".join(
        f"{name} {statistics.median(values):6.1f}/s" for name, values in blocks.rates.items()
    )
    pairs = [(name, BARE) for name in blocks.rates if name != BARE]
    pairs += [(PIPELINE, OTHER)] if OTHER in blocks.rates else []
    ratios = "   ".join(f"{a} : {b} {_find_ratio(blocks, a, b):.2f}" for a, b in pairs)
    print(f"ack after {ack_ms:3} ms: {medians}   {ratios}")
    for name, cpu_s in blocks.cpu_s.items():
        times_ms = {kind: cpu_s[kind] * 1000 / blocks.count for kind in KINDS}
        parts = ", ".join(f"{kind} {value:.1f}" for kind, value in times_ms.items())
        print(f"    CPU ms of a message, {name}: {parts}; sum {sum(times_ms.values()):.1f}")


def _find_ratio(blocks: Blocks, name: str, base: str) -> float:
    pairs = zip(blocks.rates[name], blocks.rates[base], strict=True)
    return statistics.median(a / b for a, b in pairs)


async def main(trees: dict[str, Path], rounds: int, acks_ms: list[int]) -> None:
    print(machine())
    print("medians of the blocks' rates, and the median of the ratios of neighbouring blocks")
    async with world(accounts=[ACCOUNT]) as service, AsyncExitStack() as stack:
        ways: dict[str, Block] = {}
        pids: list[int] = []
        for label, tree in trees.items():
            send_topic, pid = await stack.enter_async_context(open_sender(label, tree, service))
            ways[label] = send_topic.block
            pids.append(pid)
        opened = bare(service.whatsapp, service.folder / "bare")
        send_bare = await stack.enter_async_context(opened)

        async def bare_block(name: str, count: int) -> None:
            for number in range(count):
                await send_bare(f"{name}{number:04}")

        blocks = Blocks(service.whatsapp.url, pids, ways | {BARE: bare_block})
        await blocks.run("warm", 0, 1)
        for ack_ms in acks_ms:
            service.whatsapp.ack_after(ack_ms)
            await blocks.run(f"T{ack_ms:03}", ack_ms, rounds)
            report(ack_ms, blocks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--acks", type=int, nargs="+", choices=list(BLOCKS), default=list(BLOCKS))
    parser.add_argument("--tree", type=Path, help="another checkout, measured beside this one")
    options = parser.parse_args()
    trees = {PIPELINE: HERE} | ({OTHER: options.tree.resolve()} if options.tree else {})
    asyncio.run(main(trees, options.rounds, options.acks))
