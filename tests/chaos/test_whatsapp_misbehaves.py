"""2,000 messages while WhatsApp misbehaves in every way that the sandbox can order, twice with other seeds.

`make chaos` runs it and prints its figures. CHAOS_REQUESTS (2000), CHAOS_PHONES (100) and CHAOS_SEEDS
("1,2") set its size. Half of the recipients have written to the account before; the others are strangers.
"""

import asyncio
import base64
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.support.producers import BATCH, make_requests, produce_plainly
from tests.chaos.support.readiness import ReadinessMonitor
from tests.chaos.support.running_stack import RunningStack, run_stack
from tests.chaos.support.whatsapp_faults import WhatsAppFaults, read_connected
from tests.support.caller import Caller
from tests.support.sandbox import SandboxControl
from tests.support.verdict import Verdict, judge, read_number

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(2400)]

REQUESTS = int(os.environ.get("CHAOS_REQUESTS", "2000"))
PHONES = int(os.environ.get("CHAOS_PHONES", "100"))
SEEDS = tuple(int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1,2").split(","))
LIMIT = 30
FINAL = {"sent", "failed", "rejected", "expired", "unknown"}
PRODUCE_S = 240.0
FINISH_TIMEOUT_S = 1200.0
MAX_UNTRUE_READY_S = 5.0
PICTURE = base64.b64encode(bytes(range(256)) * 40).decode()
LOCK_TAKES_EFFECT_S = 1.0  # until the page has heard of it


@dataclass
class Run:
    """What one run left behind."""

    requests: list[dict[str, Any]]
    strangers: set[str]
    events: list[dict[str, Any]]  # status events
    log: list[dict[str, Any]]  # the sandbox's events
    verdict: Verdict
    faults: WhatsAppFaults
    monitor: ReadinessMonitor
    elapsed_s: float

    def ids_with(self, status: str) -> set[str]:
        """The ids of the requests that had this status."""
        return {event["id"] for event in self.events if event["status"] == status}

    def stanzas_under_lock(self) -> list[dict[str, Any]]:
        """What was sent to a stranger while a time lock was in force, shown or refused."""
        rows = [row for row in self.log if row["event"] in {"message", "refused"}]
        return [row for row in rows if row["to"] in self.strangers and self._is_locked(row)]

    def _is_locked(self, row: dict[str, Any]) -> bool:
        at_s = datetime.fromisoformat(row["at"]).timestamp()
        return any(
            lock.start_s + LOCK_TAKES_EFFECT_S < at_s < lock.end_s
            for lock in self.faults.time_locks
        )


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    """A running `up`, with settings that make the test quick."""
    with run_stack(tmp_path, limit=LIMIT) as stack:
        yield stack


def add_pictures(requests: list[dict[str, Any]]) -> None:
    """Every twentieth message is a file, with the text as its caption."""
    for request in requests[::20]:
        text = request.pop("text")
        request["content"] = {
            "type": "document",
            "data": PICTURE,
            "mime": "image/png",
            "caption": text,
        }


def read_text(request: dict[str, Any]) -> str:
    """The text that the recipient's phone shows."""
    return request.get("text") or request["content"]["caption"]


async def write_to_account(control: SandboxControl, phones: list[str]) -> None:
    """These people write to the account, so they are no strangers to it."""
    [account] = (await control.fetch_overview()).accounts
    for phone in phones:
        await control.write_to_account(phone, account.phone, "hello")


async def run_messages(stack: RunningStack, seed: int) -> Run:
    """Produce all requests while the faults are ordered, until each has a final status."""
    dice = random.Random(seed)
    status = await asyncio.to_thread(stack.wait_until_ready)
    settings = replace(stack.settings, kafka_bootstrap_servers=status["kafka"])
    control = SandboxControl(status["sandbox"])
    halves = (
        make_requests("plain", REQUESTS // 2, PHONES),
        make_requests("txn", REQUESTS // 2, PHONES),
    )
    requests = [request for pair in zip(*halves, strict=True) for request in pair]
    add_pictures(requests)
    phones = sorted({request["to"] for request in requests})
    friends = phones[::2]
    await write_to_account(control, friends)
    faults = WhatsAppFaults(control, dice, lambda name: asyncio.to_thread(stack.kill, name))
    done, started_s = asyncio.Event(), time.monotonic()

    async def can_send() -> bool:
        is_banned = any(ban.start_s <= time.time() < ban.end_s for ban in faults.bans)
        return not is_banned and await read_connected(control)

    async with Caller(settings).open() as caller:
        monitor = ReadinessMonitor(caller.follow(caller.names.accounts), can_send)
        watching = asyncio.create_task(monitor.run())
        ordering = asyncio.create_task(faults.run(done))
        try:
            await produce_plainly(settings, requests, PRODUCE_S * BATCH / len(requests))
            ids = {request["id"] for request in requests}
            await caller.wait_for_statuses(ids, FINAL, timeout_s=FINISH_TIMEOUT_S)
        finally:
            done.set()
            await ordering
            watching.cancel()
        log = await control.fetch_events()
        return Run(
            requests,
            set(phones) - set(friends),
            caller.status_events(),
            log,
            judge(log),
            faults,
            monitor,
            time.monotonic() - started_s,
        )


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_repeated_or_misreported(stack: RunningStack, seed: int) -> None:
    """Every fault is ordered in turn: nothing is lost or shown twice, and no state is untrue for long."""
    run = await run_messages(stack, seed)
    _report(run, seed)
    refused = run.ids_with("failed")
    must_be_shown = [read_text(request) for request in run.requests if request["id"] not in refused]
    assert run.verdict.find_lost(must_be_shown) == []
    assert run.verdict.duplicates == []
    assert run.verdict.max_in_a_minute() <= LIMIT
    assert run.verdict.find_out_of_order(read_number) == []
    assert run.ids_with("unknown") == set()
    assert run.stanzas_under_lock() == []
    assert run.monitor.longest_untrue_s <= MAX_UNTRUE_READY_S
    _check_failures(run)


def _check_failures(run: Run) -> None:
    """A message may fail only because the server refused a stranger, and then nobody sees it."""
    shown_ids = {row["body"] for rows in run.verdict.shown.values() for row in rows}
    texts = {request["id"]: read_text(request) for request in run.requests}
    for event in run.events:
        if event["status"] == "failed":
            assert event["error"]["class"] == "restricted", event
            assert event["to"] in run.strangers
            assert texts[event["id"]] not in shown_ids


def _report(run: Run, seed: int) -> None:
    lost = run.verdict.find_lost(read_text(request) for request in run.requests)
    statuses = Counter(event["status"] for event in run.events)
    print(
        f"\nseed {seed}: {len(run.requests)} requests to {PHONES} phones in {run.elapsed_s:.0f} s;"
        f" {len(run.faults.ordered)} faults of {len(set(run.faults.ordered))} kinds\n"
        f"shown {len(run.verdict.shown)}, not shown {len(lost)}, shown twice"
        f" {len(run.verdict.duplicates)}, repeats dropped by phones {run.verdict.dropped},"
        f" unknown {len(run.ids_with('unknown'))}, failed {len(run.ids_with('failed'))},"
        f" most in 60 s {run.verdict.max_in_a_minute()} of {LIMIT},"
        f" out of order {len(run.verdict.find_out_of_order(read_number))};"
        f" to strangers under a time lock {len(run.stanzas_under_lock())};"
        f" `ready` was untrue for {run.monitor.longest_untrue_s:.1f} s at most;"
        f" states {dict(Counter(run.monitor.states))}; statuses {dict(statuses)}",
        flush=True,
    )
