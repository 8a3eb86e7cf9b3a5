"""Ban, 503, a replaced connection, a time lock and a cap in the middle of 300 messages, half of them to strangers.

`make chaos` runs it and prints its figures. CHAOS_SEED (1) sets the order of the restrictions. `replaced`
is ended by a restart of the sender, as a person would end it.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.support.producers import BATCH, make_requests, produce_plainly
from tests.chaos.support.readiness import ReadinessMonitor
from tests.chaos.support.running_stack import RunningStack, run_stack
from tests.chaos.support.whatsapp_faults import Period, read_connected
from tests.support.caller import Caller
from tests.support.sandbox import SandboxControl
from tests.support.verdict import judge
from tests.support.waiting import wait_until
from tests.support.whatsapp import read_account_record

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(600)]

SEED = int(os.environ.get("CHAOS_SEED", "1"))
REQUESTS, PHONES = 300, 30
PRODUCE_S = 60.0
RESTRICTED_S = 8.0
MAX_UNTRUE_READY_S = 5.0
TAKES_EFFECT_S = 1.0  # until the page has heard of a restriction
FINAL = {"sent", "failed", "rejected", "expired", "unknown"}
NO_CAP = 1_000_000


@dataclass
class Restrictions:
    """Orders each restriction once, and notes from when until when WhatsApp forbade what."""

    stack: RunningStack
    control: SandboxControl
    caller: Caller
    bans: list[Period] = field(default_factory=list)
    closed_to_strangers: list[Period] = field(default_factory=list)

    async def order_all(self, dice: random.Random) -> None:
        """In the order of the seed."""
        steps: list[Callable[[], Awaitable[None]]] = [
            self.ban,
            self.make_unavailable,
            self.replace,
            self.lock,
            self.cap,
        ]
        dice.shuffle(steps)
        for step in steps:
            print(f"  {step.__name__}", flush=True)
            await step()
            await asyncio.sleep(2.0)

    async def ban(self) -> None:
        """The account is banned for some seconds."""
        now_s = time.time()
        self.bans.append(Period(now_s, now_s + RESTRICTED_S))
        await self.control.add_faults({"ban": RESTRICTED_S})
        await self._wait_for("restricted", reason="temporarily_banned")
        await asyncio.sleep(RESTRICTED_S)

    async def make_unavailable(self) -> None:
        """The server answers 503 to several attempts to connect."""
        await self.control.add_faults({"service_unavailable": True}, count=12)
        await asyncio.sleep(RESTRICTED_S)

    async def replace(self) -> None:
        """Another connection replaces this one, until the sender is restarted."""
        await self.control.add_faults({"replaced": True})
        await self._wait_for("restricted", reason="replaced")
        await asyncio.sleep(RESTRICTED_S)
        await asyncio.to_thread(self.stack.kill, "sender-main")
        await self._wait_for("ready")

    async def lock(self) -> None:
        """The reach-out time lock: strangers get nothing."""
        start_s = time.time()
        await self.control.add_faults({"time_lock": 600})
        await asyncio.sleep(RESTRICTED_S)
        self.closed_to_strangers.append(Period(start_s, time.time()))
        await self.control.add_faults({"time_lock": 0})

    async def cap(self) -> None:
        """Three more messages to strangers; later the quota is large."""
        await self.control.add_faults({"new_chat_cap": 3})
        await asyncio.sleep(RESTRICTED_S)
        await self.control.add_faults({"new_chat_cap": NO_CAP})

    async def _wait_for(self, state: str, **fields: object) -> None:
        def has_come() -> bool:
            record = read_account_record(self.caller) or {}
            return {"state": state, **fields}.items() <= record.items()

        await wait_until(has_come, message=f"the account is never {state} {fields}")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    """A running `up`, with settings that make the test quick."""
    with run_stack(tmp_path, limit=60) as stack:
        yield stack


async def test_a_restricted_account_loses_nothing(stack: RunningStack) -> None:
    """Nothing goes to a stranger under the lock, nothing is lost, and `ready` is never untrue for long."""
    status = await asyncio.to_thread(stack.wait_until_ready)
    settings = replace(stack.settings, kafka_bootstrap_servers=status["kafka"])
    control, started_s = SandboxControl(status["sandbox"]), time.monotonic()
    requests = make_requests("plain", REQUESTS, 2 * PHONES)
    phones = sorted({request["to"] for request in requests})
    [account] = (await control.fetch_overview()).accounts
    for phone in phones[::2]:
        await control.write_to_account(phone, account.phone, "hello")
    async with Caller(settings).open() as caller:
        restrictions = Restrictions(stack, control, caller)

        async def can_send() -> bool:
            is_banned = any(ban.start_s <= time.time() < ban.end_s for ban in restrictions.bans)
            return not is_banned and await read_connected(control)

        monitor = ReadinessMonitor(caller.follow(caller.names.accounts), can_send)
        watching = asyncio.create_task(monitor.run())
        try:
            await asyncio.gather(
                produce_plainly(settings, requests, PRODUCE_S * BATCH / REQUESTS),
                restrictions.order_all(random.Random(SEED)),
            )
            ids = {request["id"] for request in requests}
            await caller.wait_for_statuses(ids, FINAL, timeout_s=120)
        finally:
            watching.cancel()
        events, log = caller.status_events(), await control.fetch_events()
    strangers = set(phones[1::2])
    under_lock = _find_forbidden(log, strangers, restrictions.closed_to_strangers)
    _report(events, log, monitor, len(under_lock), time.monotonic() - started_s)
    assert under_lock == []
    assert monitor.longest_untrue_s <= MAX_UNTRUE_READY_S
    _check_nothing_is_lost(requests, strangers, events, log)


def _find_forbidden(
    log: list[dict[str, Any]], strangers: set[str], periods: list[Period]
) -> list[dict[str, Any]]:
    """What was sent to a stranger while that was forbidden, shown or refused."""

    def is_forbidden(row: dict[str, Any]) -> bool:
        at_s = datetime.fromisoformat(row["at"]).timestamp()
        return any(p.start_s + TAKES_EFFECT_S < at_s < p.end_s for p in periods)

    rows = [row for row in log if row["event"] in {"message", "refused"}]
    return [row for row in rows if row["to"] in strangers and is_forbidden(row)]


def _check_nothing_is_lost(
    requests: list[dict[str, Any]],
    strangers: set[str],
    events: list[dict[str, Any]],
    log: list[dict[str, Any]],
) -> None:
    """Each message is shown once and `sent`, unless the server refused it because of its stranger."""
    verdict = judge(log)
    refused = {event["id"] for event in events if event["status"] == "failed"}
    shown = [request["text"] for request in requests if request["id"] not in refused]
    assert verdict.find_lost(shown) == []
    assert len(verdict.shown) == len(shown)
    assert verdict.duplicates == []
    assert verdict.find_out_of_order(lambda body: int(body.rpartition("/")[2])) == []
    final = [event for event in events if event["status"] in FINAL]
    assert {event["status"] for event in final} <= {"sent", "failed"}
    for event in final:
        if event["status"] == "failed":
            assert event["error"]["class"] == "restricted", event
            assert event["to"] in strangers


def _report(
    events: list[dict[str, Any]],
    log: list[dict[str, Any]],
    monitor: ReadinessMonitor,
    under_lock: int,
    elapsed_s: float,
) -> None:
    verdict, statuses = judge(log), Counter(event["status"] for event in events)
    refused = Counter(row["code"] for row in log if row["event"] == "refused")
    print(
        f"\nseed {SEED}: {REQUESTS} requests to {PHONES} phones in {elapsed_s:.0f} s; shown"
        f" {len(verdict.shown)}, shown twice {len(verdict.duplicates)}, repeats dropped by phones"
        f" {verdict.dropped}; refused by the server {dict(refused)}; to strangers under a time lock"
        f" {under_lock}; `ready` was untrue for {monitor.longest_untrue_s:.1f} s at most;"
        f" states {dict(Counter(monitor.states))}; statuses {dict(statuses)}",
        flush=True,
    )
