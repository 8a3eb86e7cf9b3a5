"""Requests go on while everything is killed in turn: by the sandbox's log none is lost, none shown twice.

`make chaos` runs it and prints its figures; CHAOS_REQUESTS (2000) and CHAOS_PHONES (100) size it.
A fifth of the transactions of one producer is aborted: those must never be seen.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.kafka.connection import client_options
from streams.settings import Settings, load, to_environment
from tests.support.browser import SandboxControl
from tests.support.system import Caller, SystemUnderTest, Verdict, judge, wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(2400)]

REQUESTS = int(os.environ.get("CHAOS_REQUESTS", "2000"))
PHONES = int(os.environ.get("CHAOS_PHONES", "100"))
LIMIT = 10
BATCH = 20
FINAL = {"sent", "failed", "rejected", "expired", "unknown"}
SETTLES_WITHIN_S = 1200.0


class Up:
    """`wa-streams up --sandbox`, as a user runs it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        clean = {key: value for key, value in os.environ.items() if not key.startswith("WA_")}
        self._environment = clean | to_environment(settings)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "up", "--sandbox", "--json"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def ready(self) -> dict[str, Any]:
        """What it says once all is ready."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"up ended with {self._process.wait()}"
        return json.loads(line)

    def parts(self) -> dict[str, dict[str, Any]]:
        """Every part by its name, as `ps --json` tells."""
        said = subprocess.run(
            [sys.executable, "-m", "streams.cli", "ps", "--json"],
            env=self._environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        return {part["name"]: part for part in json.loads(said.stdout)["parts"]}

    def kill(self, name: str) -> bool:
        """SIGKILL a part; False if it has no process at this moment."""
        pid = self.parts().get(name, {}).get("pid")
        if not pid:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def end(self) -> None:
        """As Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=90)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    settings = load(
        {},
        data_dir=str(tmp_path / "data"),
        kafka_port=0,
        web_port=0,
        sandbox_port=0,
        rate_limit_per_minute=LIMIT,
        account_rate_per_minute=0,
        send_interval_ms=0,
        retry_delay_ms=500,
        ack_timeout_s=5,
        kafka_session_timeout_s=6,
    )
    running = Up(settings)
    try:
        yield running
    finally:
        running.end()


def requests(kind: str, count: int) -> list[dict[str, Any]]:
    """`count` requests, each phone's numbered in order; producers have phones of their own."""
    half = PHONES // 2
    first = 0 if kind == "plain" else half
    return [
        {
            "id": f"{kind}-{n}",
            "to": f"+90555{1_000_000 + first + n % half}",
            "text": f"{kind}/{n}",
        }
        for n in range(count)
    ]


async def plain(settings: Settings, asked: list[dict[str, Any]], pause_s: float) -> None:
    """A producer that waits for each of its records, and goes on through a broker's death."""
    producer = AIOKafkaProducer(**client_options(settings), enable_idempotence=True)
    await producer.start()
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        sent = [await _send(producer, settings, request) for request in batch]
        await asyncio.gather(*sent)
        await asyncio.sleep(pause_s)
    await producer.stop()


async def transactional(
    settings: Settings, asked: list[dict[str, Any]], pause_s: float, dice: random.Random
) -> int:
    """A producer that aborts a fifth of its transactions, and then does them again; how many it aborted.

    A transaction that a broker's death broke is done again too: its ids make the repeats harmless.
    """
    aborted, start, tries = 0, 0, 0
    while start < len(asked):
        tries += 1
        batch = asked[start : start + BATCH]
        try:
            if dice.random() < 0.2:
                await _transaction(settings, tries, [_aborted(r) for r in batch], commit=False)
                aborted += len(batch)
                continue
            await _transaction(settings, tries, batch, commit=True)
        except (KafkaError, TimeoutError) as error:
            print(f"  a transaction failed ({type(error).__name__}), again", flush=True)
            continue
        start += BATCH
        await asyncio.sleep(pause_s)
    return aborted


async def _transaction(
    settings: Settings, number: int, batch: list[dict[str, Any]], *, commit: bool
) -> None:
    producer = AIOKafkaProducer(
        **client_options(settings), transactional_id="chaos", transaction_timeout_ms=10_000
    )
    await asyncio.wait_for(producer.start(), 30)
    try:
        await producer.begin_transaction()
        sent = [await _send(producer, settings, request) for request in batch]
        await asyncio.wait_for(asyncio.gather(*sent), 30)
        ending = producer.commit_transaction if commit else producer.abort_transaction
        await asyncio.wait_for(ending(), 30)
    finally:
        await asyncio.wait_for(producer.stop(), 30)


def _aborted(request: dict[str, Any]) -> dict[str, Any]:
    return request | {"id": f"aborted-{request['id']}", "text": "aborted"}


async def _send(
    producer: AIOKafkaProducer, settings: Settings, request: dict[str, Any]
) -> asyncio.Future[Any]:
    topic = f"{settings.topic_prefix}.outbound"
    return await producer.send(topic, orjson.dumps(request), key=request["to"].encode())


async def harm(
    up: Up, system: SystemUnderTest, done: asyncio.Event, dice: random.Random
) -> Counter[str]:
    """Kill the parts in turn until told to stop; what is killed next must be back first."""
    killed: Counter[str] = Counter()
    turn = 0
    while not done.is_set():
        victim = ("dispatch-1", "sender-main", "browser-main", "second dispatcher")[turn % 4]
        turn += 1
        await _pause(done, dice.uniform(2.0, 6.0))
        if victim == "second dispatcher":
            await _join_and_leave(system, dice, done)
        elif not await asyncio.to_thread(up.kill, victim):
            continue
        killed[victim] += 1
        if turn == 6:
            await asyncio.to_thread(up.kill, "kafka-1")
            killed["kafka-1"] += 1
        print(f"  {victim} killed or gone, {dict(killed)}", flush=True)
        await _back(up, done)
    return killed


async def _join_and_leave(
    system: SystemUnderTest, dice: random.Random, done: asyncio.Event
) -> None:
    worker = system.start_dispatcher(9)
    await worker.wait_until_ready()
    await _pause(done, dice.uniform(2.0, 4.0))
    await asyncio.to_thread(worker.kill, dice.choice([signal.SIGTERM, signal.SIGKILL]))


async def _back(up: Up, done: asyncio.Event) -> None:
    async def all_ready() -> bool:
        parts = await asyncio.to_thread(up.parts)
        return done.is_set() or all(part["state"] == "ready" for part in parts.values())

    await wait_until(all_ready, timeout_s=120, message="a part that was killed did not come back")


async def _pause(done: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        return


async def test_nothing_is_lost_and_nothing_shown_twice(up: Up) -> None:
    """Dispatcher, sender, browser and broker killed, a second dispatcher joining and leaving."""
    dice = random.Random(17)
    said = await asyncio.to_thread(up.ready)
    settings = replace(up.settings, kafka_bootstrap_servers=said["kafka"])
    control, system = SandboxControl(said["sandbox"]), SystemUnderTest(settings)
    asked = [*requests("plain", REQUESTS // 2), *requests("txn", REQUESTS - REQUESTS // 2)]
    ids, done, began_s = {each["id"] for each in asked}, asyncio.Event(), time.monotonic()
    try:
        async with Caller(settings).open() as caller:
            harming = asyncio.create_task(harm(up, system, done, dice))
            half, pause_s = REQUESTS // 2, 60.0 / max(1, REQUESTS // 2 // BATCH)
            producing = asyncio.gather(
                plain(settings, asked[:half], pause_s),
                transactional(settings, asked[half:], pause_s, dice),
            )
            _, aborted = await producing
            print(f"  all produced after {time.monotonic() - began_s:.0f} s", flush=True)
            try:
                await caller.wait_for_statuses(ids, FINAL, timeout_s=SETTLES_WITHIN_S)
            finally:
                done.set()
                killed = await harming
            took_s = time.monotonic() - began_s
            verdict = judge(await control.fetch_log())
            _report(caller, verdict, asked, killed, aborted, took_s)
            _check(caller, verdict, asked)
    finally:
        await asyncio.to_thread(system.stop)


def _unknown(caller: Caller) -> set[str]:
    return {event["id"] for event in caller.status_events() if event["status"] == "unknown"}


def _report(
    caller: Caller,
    verdict: Verdict,
    asked: list[dict[str, Any]],
    killed: Counter[str],
    aborted: int,
    took_s: float,
) -> None:
    lost = verdict.find_lost(each["text"] for each in asked)
    words = Counter(event["status"] for event in caller.status_events())
    print(
        f"\n{len(asked)} requests to {PHONES} phones in {took_s:.0f} s, {aborted} aborted ones;"
        f" killed or gone: {dict(killed)}\n"
        f"shown {len(verdict.shown)}, lost {len(lost)}, shown twice {len(verdict.duplicates)},"
        f" repeats that phones dropped {verdict.dropped}, unknown {len(_unknown(caller))},"
        f" most in 60 s {verdict.max_in_a_minute()} of {LIMIT},"
        f" out of order {len(verdict.find_out_of_order(_rank))}; statuses {dict(words)}",
        flush=True,
    )


def _rank(body: str) -> int:
    return int(body.rpartition("/")[2])


def _check(caller: Caller, verdict: Verdict, asked: list[dict[str, Any]]) -> None:
    """`unknown` is allowed only for what was in the page when it died: that may be shown, or not."""
    unknown = _unknown(caller)
    must_be_shown = [each["text"] for each in asked if each["id"] not in unknown]
    assert verdict.find_lost(must_be_shown) == []
    assert verdict.duplicates == []
    assert verdict.max_in_a_minute() <= LIMIT
    assert verdict.find_out_of_order(_rank) == []
    assert "aborted" not in verdict.shown
    assert not {
        e["id"] for e in caller.status_events() if e["status"] in FINAL - {"sent", "unknown"}
    }
