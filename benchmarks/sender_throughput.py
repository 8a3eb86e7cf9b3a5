"""Messages/s of one account: dispatches through its send pipeline, compared with bare wa-js in a loop, pacing off.

    python -m benchmarks.sender_throughput [--rounds 5]

Both run on one sandbox, each in a browser of its own with the same arguments, in alternating blocks. A
block's rate is that of its arrivals at the sandbox. The sender is a real process on an embedded broker: it
stores a durable claim and publishes a durable outcome for each message. Needs no network.
"""

import argparse
import asyncio
import statistics
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import aiohttp
import orjson

from benchmarks.browser_common import machine
from benchmarks.browser_send import bare
from benchmarks.world import world
from streams.domain.phone import events
from streams.domain.phone.events import Outcome, Sent
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand
from tests.support.caller import Caller
from tests.support.waiting import wait_until
from tests.support.whatsapp import read_account_record

ACCOUNT = "main"
PHONES = 20
BLOCKS = {0: 300, 20: 200, 150: 50}  # messages of a block, by the page's ack in ms

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


async def rates(
    url: str, run: str, ways: dict[str, Block], ack_ms: int, rounds: int
) -> dict[str, list[float]]:
    """Messages/s of each block."""
    results: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            before = len(await _log(url))
            await way(f"3EB0{name}{run}{number:02}".upper(), BLOCKS[ack_ms])
            rows = (await _log(url))[before:]
            assert len(rows) == BLOCKS[ack_ms], f"{len(rows)} arrivals"
            first, last = (datetime.fromisoformat(rows[i]["at"]).timestamp() for i in (0, -1))
            results[name].append((len(rows) - 1) / (last - first))
    return results


async def _log(url: str) -> list[dict[str, Any]]:
    async with aiohttp.request("GET", f"{url}/log") as answer:
        return orjson.loads(await answer.read())


def report(ack_ms: int, results: dict[str, list[float]]) -> None:
    pipeline_rates, bare_rates = results["pipeline"], results["bare"]
    ratio = statistics.median(a / b for a, b in zip(pipeline_rates, bare_rates, strict=True))
    medians = "   ".join(
        f"{name} {statistics.median(values):6.1f}/s" for name, values in results.items()
    )
    print(f"ack after {ack_ms:3} ms: {medians}   pipeline : bare {ratio:.2f}")


async def main(rounds: int) -> None:
    print(machine())
    print("medians of the blocks' rates, and the median of the ratios of neighbouring blocks")
    async with world(accounts=[ACCOUNT]) as service:
        caller, url = service.caller, service.whatsapp.url
        service.system.start_sender(ACCOUNT)
        await wait_until(
            lambda: (read_account_record(caller, ACCOUNT) or {}).get("state") == "ready"
        )
        async with bare(service.whatsapp, service.folder / "bare") as send_bare:

            async def bare_block(name: str, count: int) -> None:
                for number in range(count):
                    await send_bare(f"{name}{number:04}")

            ways: dict[str, Block] = {"pipeline": SendTopic(caller).block, "bare": bare_block}
            await rates(url, "warm", ways, 0, 1)
            for ack_ms in BLOCKS:
                service.whatsapp.ack_after(ack_ms)
                report(ack_ms, await rates(url, f"T{ack_ms:03}", ways, ack_ms, rounds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
