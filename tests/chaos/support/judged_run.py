"""Thousands of messages during a disturbance, until each has a final status; then the sandbox's log judges.

The disturbance goes on until the last message has its final status.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

from streams.settings import Settings
from tests.chaos.support.producers import BATCH, produce_plainly
from tests.support.caller import Caller
from tests.support.sandbox import SandboxControl
from tests.support.verdict import Verdict, check_by_audit, find_wrong_order, judge, read_number

FINAL = {"sent", "failed", "rejected", "expired", "unknown"}


class Disturbance(Protocol):
    """Harms the service again and again, and counts what it did."""

    counts: Counter[str]

    async def run(self, done: asyncio.Event) -> None:
        """Disturb until `done`, and leave nothing harmed."""
        ...


@dataclass
class JudgedRun:
    """What one run left behind."""

    requests: list[dict[str, Any]]
    events: list[dict[str, Any]]  # status events
    verdict: Verdict
    counts: Counter[str]  # of the disturbance
    limit: int
    elapsed_s: float

    @property
    def lost(self) -> list[str]:
        """Texts that no phone showed."""
        return self.verdict.find_lost(request["text"] for request in self.requests)

    @property
    def out_of_order(self) -> list[tuple[str, str]]:
        """Pairs of ids that a phone showed in the wrong order, and that the contract does not allow."""
        ids = {request["text"]: request["id"] for request in self.requests}
        pairs = self.verdict.find_out_of_order(read_number)
        return find_wrong_order([(ids[a], ids[b]) for a, b in pairs], self.events)

    def describe_out_of_order(self) -> str:
        """What became of each of these messages, and when."""
        ids = {id for pair in self.out_of_order for id in pair}
        return "\n".join(str(event) for event in self.events if event["id"] in ids)

    def count_final(self) -> Counter[str]:
        """How many messages ended with which status. A receipt after `unknown` is not an end of its own."""
        return Counter({e["id"]: e["status"] for e in self.events if e["status"] in FINAL}.values())

    def report(self, title: str) -> None:
        """Print the figures."""
        print(
            f"\n{title}: {len(self.requests)} requests in {self.elapsed_s:.0f} s; {dict(self.counts)}\n"
            f"shown {len(self.verdict.shown)}, lost {len(self.lost)}, shown twice"
            f" {len(self.verdict.duplicates)}, repeats dropped by phones {self.verdict.dropped},"
            f" most in 60 s {self.verdict.max_in_a_minute()} of {self.limit}, out of order"
            f" {len(self.out_of_order)}; final {dict(self.count_final())}; events"
            f" {dict(Counter(event['status'] for event in self.events))}",
            flush=True,
        )

    def check(self) -> None:
        """Everything was sent, shown once, in order, within the limit."""
        assert self.lost == []
        assert self.verdict.duplicates == []
        assert self.verdict.max_in_a_minute() <= self.limit
        assert self.out_of_order == [], self.describe_out_of_order()
        assert self.count_final() == {"sent": len(self.requests)}


async def run_messages(
    settings: Settings,
    control: SandboxControl,
    requests: list[dict[str, Any]],
    disturbance: Disturbance,
    *,
    produce_s: float,
    finish_timeout_s: float,
) -> JudgedRun:
    """Produce the requests within `produce_s`, and wait for the final status of each."""
    done, started_s = asyncio.Event(), time.monotonic()
    async with Caller(settings).open() as caller:
        disturbing = asyncio.create_task(disturbance.run(done))
        try:
            await produce_plainly(settings, requests, produce_s * BATCH / len(requests))
            print(f"  all produced after {time.monotonic() - started_s:.0f} s", flush=True)
            ids = {request["id"] for request in requests}
            await caller.wait_for_statuses(ids, FINAL, timeout_s=finish_timeout_s)
        finally:
            done.set()
            await disturbing
        await check_by_audit(settings)
        return JudgedRun(
            requests,
            caller.status_events(),
            judge(await control.fetch_log()),
            disturbance.counts,
            settings.rate_limit_per_minute,
            time.monotonic() - started_s,
        )


async def pause(done: asyncio.Event, seconds: float) -> None:
    """Wait for this time, or until `done`."""
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        return
