"""The whole service as real processes, to be killed and judged: what tests say to it and read from it.

It starts workers by the command line that users have, speaks to Kafka as their programs do, and
believes only the sandbox's log and the topics.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.kafka.connection import client_options
from streams.kafka.topics import names
from streams.settings import Settings, to_environment

PATIENCE_S = 40.0


async def until(
    condition: Callable[[], Any], *, within_s: float = PATIENCE_S, why: str = "it never came true"
) -> Any:
    """Await that the condition is true (it may be a coroutine function); returns what it said."""
    deadline = time.monotonic() + within_s
    while True:
        said = condition()
        said = await said if asyncio.iscoroutine(said) else said
        if said:
            return said
        assert time.monotonic() < deadline, why
        await asyncio.sleep(0.05)


@dataclass
class Worker:
    """One process of the service."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    run_file: Path

    @property
    def alive(self) -> bool:
        """It has not ended."""
        return self.process.poll() is None

    def web(self) -> str | None:
        """Where its probes answer; None before it says so itself."""
        try:
            said = json.loads(self.run_file.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return said["web"] if said["pid"] == self.process.pid else None

    async def is_ready(self) -> bool:
        """Whether its readiness probe answers 200."""
        assert self.alive, f"{self.name} ended with {self.process.returncode}: {self.tail()}"
        web = self.web()
        if web is None:
            return False
        try:
            async with aiohttp.request("GET", f"{web}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def ready(self, within_s: float = PATIENCE_S) -> None:
        """Await its readiness."""
        await until(self.is_ready, within_s=within_s, why=f"{self.name} not ready: {self.tail()}")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; with SIGKILL or SIGTERM await its end."""
        self.process.send_signal(how)
        if how in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(30)

    def tail(self, characters: int = 3000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:]


@dataclass
class System:
    """A world of its own: topics with a prefix, a data folder, its workers."""

    settings: Settings
    workers: list[Worker] = field(default_factory=list)

    def start(self, *command: str, name: str, **more: str) -> Worker:
        """Start a worker, for example `start("dispatch", name="dispatch-1")`."""
        program = [sys.executable, "-m", "streams.cli", *command, "--name", name]
        return self.run(program, name=name, **more)

    def run(self, program: list[str], *, name: str = "dispatch-1", **more: str) -> Worker:
        """Start any program as this worker."""
        log = self.settings.data_dir / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("WA_")}
        with log.open("ab") as out:
            process = subprocess.Popen(
                program,
                env=clean
                | to_environment(self.settings)
                | {"WA_WEB_PORT": "0", "WA_CONFIG": ""}
                | more,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        run_file = self.settings.data_dir / "run" / f"{name}.json"
        worker = Worker(name, process, log, run_file)
        self.workers.append(worker)
        return worker

    def dispatcher(self, number: int = 1) -> Worker:
        """A dispatcher."""
        return self.start("dispatch", name=f"dispatch-{number}")

    def sender(self, account: str = "main", number: int = 1) -> Worker:
        """A sender of the account."""
        suffix = "" if number == 1 else f"-{number}"
        return self.start("sender", "--account", account, name=f"sender-{account}{suffix}")

    def forget_tables(self, name: str) -> None:
        """The disk under a worker that has ended is lost; who it was in the group is not."""
        for folder in (self.settings.data_dir / "tables" / name).iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)

    def end(self) -> None:
        """End every worker that still runs."""
        alive = [worker for worker in self.workers if worker.alive]
        for worker in alive:
            worker.process.send_signal(signal.SIGCONT)
            worker.process.send_signal(signal.SIGTERM)
        for worker in alive:
            try:
                worker.process.wait(15)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()


class Caller:
    """A program of a user: asks for messages, and reads what became of them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = names(settings)
        self._options = client_options(settings)
        self._producer: AIOKafkaProducer | None = None
        self._readers: dict[str, list[Any]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Caller"]:
        """Connected, and reading `wa.status` and `wa.dlq` from their beginnings."""
        self._producer = AIOKafkaProducer(
            **self._options, acks="all", enable_idempotence=True, max_request_size=4 << 20
        )
        await self._producer.start()
        for topic in (self.names.status, self.names.dlq):
            self.follow(topic)
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._producer.stop()

    async def ask(self, *requests: dict[str, Any]) -> None:
        """Produce these requests, keyed by what they are sent to."""
        await self.produce(*((orjson.dumps(r), str(r.get("to", "")).encode()) for r in requests))

    async def produce(
        self,
        *records: tuple[bytes | None, bytes | None],
        headers: Sequence[tuple[str, bytes]] = (),
        topic: str | None = None,
    ) -> list[Any]:
        """Produce values with keys to `wa.outbound`, or another topic; returns their metadata."""
        assert self._producer is not None
        sent = [
            await self._producer.send(
                topic or self.names.outbound, value, key=key, headers=list(headers)
            )
            for value, key in records
        ]
        return await asyncio.gather(*sent)

    def follow(self, topic: str) -> list[Any]:
        """The records of a topic: a list that grows."""
        if topic not in self._readers:
            self._readers[topic] = []
            self._tasks.append(asyncio.create_task(self._read(topic, self._readers[topic])))
        return self._readers[topic]

    async def _read(self, topic: str, into: list[Any]) -> None:
        consumer = AIOKafkaConsumer(
            **self._options, group_id=None, isolation_level="read_committed"
        )
        await consumer.start()
        try:
            assert self._producer is not None
            parts = await self._producer.partitions_for(topic)
            consumer.assign([TopicPartition(topic, part) for part in parts])
            await consumer.seek_to_beginning()
            async for record in consumer:
                into.append(record)
        finally:
            await consumer.stop()

    async def end_of(self, topic: str) -> int:
        """How many records a topic of one partition has had."""
        consumer = AIOKafkaConsumer(**self._options, group_id=None)
        await consumer.start()
        try:
            part = TopicPartition(topic, 0)
            return (await consumer.end_offsets([part]))[part]
        finally:
            await consumer.stop()

    # -- what came back

    def events(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """The status events so far, of one request or all."""
        found = [orjson.loads(record.value) for record in self._readers[self.names.status]]
        return [e for e in found if request_id is None or e["id"] == request_id]

    def words(self, request_id: str) -> list[str]:
        """The statuses of a request, in order."""
        return [event["status"] for event in self.events(request_id)]

    def dead_letters(self) -> list[Any]:
        """The records of `wa.dlq` so far."""
        return self._readers[self.names.dlq]

    async def heard(self, request_id: str, status: str, within_s: float = PATIENCE_S) -> Any:
        """Await a status of a request; returns the event."""

        def find() -> Any:
            return next((e for e in self.events(request_id) if e["status"] == status), None)

        why = f"{request_id}: no {status!r} but {self.words(request_id)}"
        try:
            return await until(find, within_s=within_s, why=why)
        except AssertionError:
            raise AssertionError(
                f"{request_id}: no {status!r} but {self.words(request_id)}"
            ) from None

    async def all_heard(
        self, ids: Iterable[str], statuses: set[str], within_s: float = PATIENCE_S
    ) -> None:
        """Await that each of these requests has had one of these statuses."""
        wanted = set(ids)

        def missing() -> set[str]:
            return wanted - {e["id"] for e in self.events() if e["status"] in statuses}

        try:
            await until(lambda: not missing(), within_s=within_s)
        except AssertionError:
            left = sorted(missing())
            said = {each: self.words(each) for each in left[:5]}
            raise AssertionError(
                f"{len(left)} of {len(wanted)} without {statuses}: {said}"
            ) from None


# -- the judge


@dataclass(frozen=True)
class Verdict:
    """What the sandbox's log says of a run."""

    shown: dict[str, list[dict[str, Any]]]  # by body
    repeats: int  # stanzas that the phones dropped

    @property
    def twice(self) -> list[str]:
        """Bodies that a phone showed more than once."""
        return [body for body, rows in self.shown.items() if len(rows) > 1]

    def lost(self, bodies: Iterable[str]) -> list[str]:
        """Bodies that no phone showed."""
        return [body for body in bodies if body not in self.shown]

    def most_in_a_minute(self) -> int:
        """The most messages that one phone was shown within 60 seconds."""
        times: defaultdict[str, list[float]] = defaultdict(list)
        for rows in self.shown.values():
            for row in rows:
                times[row["to"]].append(datetime.fromisoformat(row["at"]).timestamp())
        return max((_most_within(sorted(each), 60.0) for each in times.values()), default=0)

    def out_of_order(self, rank: Callable[[str], Any]) -> list[tuple[str, str]]:
        """Neighbours on a phone whose bodies' ranks fall."""
        by_phone: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for rows in self.shown.values():
            by_phone[rows[0]["to"]].append(rows[0])
        wrong: list[tuple[str, str]] = []
        for rows in by_phone.values():
            bodies = [row["body"] for row in sorted(rows, key=lambda row: row["seq"])]
            wrong += [(a, b) for a, b in pairwise(bodies) if rank(a) > rank(b)]
        return wrong


def _most_within(times: list[float], span_s: float) -> int:
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - span_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def judge(log: list[dict[str, Any]]) -> Verdict:
    """A verdict over the log's messages."""
    shown: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    repeats = 0
    for row in log:
        if row["event"] == "message":
            if row["shown"]:
                shown[row["body"]].append(row)
            else:
                repeats += 1
    return Verdict(dict(shown), repeats)
