"""Each process is killed in turn during requests; by the sandbox's log, none is lost and none is shown twice.

`make chaos` runs it and prints its figures. CHAOS_REQUESTS (2000) and CHAOS_PHONES (100) set its size.
A fifth of the transactions of one producer is aborted: their requests must never be seen.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.support.producers import (
    BATCH,
    make_requests,
    produce_in_transactions,
    produce_plainly,
)
from tests.chaos.support.running_stack import RunningStack, run_stack
from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.system import SystemUnderTest
from tests.support.verdict import Verdict, check_by_audit, judge, read_number
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(2400)]

REQUESTS = int(os.environ.get("CHAOS_REQUESTS", "2000"))
PHONES = int(os.environ.get("CHAOS_PHONES", "100"))
LIMIT = 10
FINAL = {"sent", "failed", "rejected", "expired", "unknown"}
FINISH_TIMEOUT_S = 1200.0
VICTIMS = ("dispatch-1", "sender-main", "browser-main", "second dispatcher")  # and the broker, once


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    """A running `up`, with settings that make the test quick."""
    with run_stack(tmp_path, limit=LIMIT) as stack:
        yield stack


async def kill_services(
    stack: RunningStack, system: SystemUnderTest, done: asyncio.Event, dice: random.Random
) -> Counter[str]:
    """Kill the services in turn until `done`; all must be ready again before the next kill."""
    killed: Counter[str] = Counter()
    kills = 0
    while not done.is_set():
        victim = VICTIMS[kills % len(VICTIMS)]
        kills += 1
        await _pause(done, dice.uniform(2.0, 6.0))
        if victim == "second dispatcher":
            await _join_and_leave(system, dice, done)
        elif not await asyncio.to_thread(stack.kill, victim):
            continue
        killed[victim] += 1
        if kills == 6:
            await asyncio.to_thread(stack.kill, "kafka-1")
            killed["kafka-1"] += 1
        print(f"  {victim} killed, {dict(killed)} so far", flush=True)
        await _wait_until_ready(stack, done)
    return killed


async def _join_and_leave(
    system: SystemUnderTest, dice: random.Random, done: asyncio.Event
) -> None:
    worker = system.start_dispatcher(9)
    await worker.wait_until_ready()
    await _pause(done, dice.uniform(2.0, 4.0))
    await asyncio.to_thread(worker.kill, dice.choice([signal.SIGTERM, signal.SIGKILL]))


async def _wait_until_ready(stack: RunningStack, done: asyncio.Event) -> None:
    async def all_ready() -> bool:
        services = await asyncio.to_thread(stack.services)
        return done.is_set() or all(service["state"] == "ready" for service in services.values())

    await wait_until(all_ready, timeout_s=120, message="a killed service did not come back")


async def _pause(done: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        return


async def test_nothing_is_lost_and_nothing_shown_twice(stack: RunningStack) -> None:
    """Dispatcher, sender, browser and broker are killed; a second dispatcher joins and leaves."""
    dice = random.Random(17)
    status = await asyncio.to_thread(stack.wait_until_ready)
    settings = replace(stack.settings, kafka_bootstrap_servers=status["kafka"])
    control, system = SandboxControl(status["sandbox"]), SystemUnderTest(settings)
    requests = [
        *make_requests("plain", REQUESTS // 2, PHONES),
        *make_requests("txn", REQUESTS - REQUESTS // 2, PHONES),
    ]
    ids, done, started_s = (
        {request["id"] for request in requests},
        asyncio.Event(),
        time.monotonic(),
    )
    try:
        async with Caller(settings).open() as caller:
            kill_task = asyncio.create_task(kill_services(stack, system, done, dice))
            half, pause_s = REQUESTS // 2, 60.0 / max(1, REQUESTS // 2 // BATCH)
            producing = asyncio.gather(
                produce_plainly(settings, requests[:half], pause_s),
                produce_in_transactions(settings, requests[half:], pause_s, dice),
            )
            _, aborted = await producing
            print(f"  all produced after {time.monotonic() - started_s:.0f} s", flush=True)
            try:
                await caller.wait_for_statuses(ids, FINAL, timeout_s=FINISH_TIMEOUT_S)
            finally:
                done.set()
                killed = await kill_task
            elapsed_s = time.monotonic() - started_s
            verdict = judge(await control.fetch_log())
            _report(caller, verdict, requests, killed, aborted, elapsed_s)
            _check(caller, verdict, requests)
            _check_victims(killed)
            await check_by_audit(settings)
    finally:
        await asyncio.to_thread(system.stop)


def _unknown(caller: Caller) -> set[str]:
    return {event["id"] for event in caller.status_events() if event["status"] == "unknown"}


def _report(
    caller: Caller,
    verdict: Verdict,
    requests: list[dict[str, Any]],
    killed: Counter[str],
    aborted: int,
    elapsed_s: float,
) -> None:
    lost = verdict.find_lost(request["text"] for request in requests)
    statuses = Counter(event["status"] for event in caller.status_events())
    print(
        f"\n{len(requests)} requests to {PHONES} phones in {elapsed_s:.0f} s, {aborted} of them aborted;"
        f" killed: {dict(killed)}\n"
        f"shown {len(verdict.shown)}, lost {len(lost)}, shown twice {len(verdict.duplicates)},"
        f" repeats dropped by phones {verdict.dropped}, unknown {len(_unknown(caller))},"
        f" most in 60 s {verdict.max_in_a_minute()} of {LIMIT},"
        f" out of order {len(verdict.find_out_of_order(read_number))}; statuses {dict(statuses)}",
        flush=True,
    )


def _check(caller: Caller, verdict: Verdict, requests: list[dict[str, Any]]) -> None:
    """`unknown` is allowed only for messages that were in the page when it was killed."""
    unknown = _unknown(caller)
    must_be_shown = [request["text"] for request in requests if request["id"] not in unknown]
    assert verdict.find_lost(must_be_shown) == []
    assert verdict.duplicates == []
    assert verdict.max_in_a_minute() <= LIMIT
    assert verdict.find_out_of_order(read_number) == []
    assert "aborted" not in verdict.shown
    assert not {
        e["id"] for e in caller.status_events() if e["status"] in FINAL - {"sent", "unknown"}
    }


def _check_victims(killed: Counter[str]) -> None:
    """A run of full size has killed each of them; without that, the rest would prove nothing."""
    if REQUESTS >= 2000:
        assert killed.keys() == {*VICTIMS, "kafka-1"}
