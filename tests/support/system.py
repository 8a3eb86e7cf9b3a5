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

WAIT_TIMEOUT_S = 40.0


async def wait_until(
    condition: Callable[[], Any],
    *,
    timeout_s: float = WAIT_TIMEOUT_S,
    message: str = "it never came true",
) -> Any:
    """Await that the condition is true (it may be a coroutine function); returns what it said."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        result = condition()
        result = await result if asyncio.iscoroutine(result) else result
        if result:
            return result
        assert time.monotonic() < deadline_s, message
        await asyncio.sleep(0.05)


@dataclass
class Worker:
    """One process of the service."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    run_file: Path

    @property
    def is_alive(self) -> bool:
        """It has not ended."""
        return self.process.poll() is None

    def read_url(self) -> str | None:
        """Where its probes answer; None before it says so itself."""
        try:
            run_file = json.loads(self.run_file.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return run_file["web"] if run_file["pid"] == self.process.pid else None

    async def is_ready(self) -> bool:
        """Whether its readiness probe answers 200."""
        assert self.is_alive, (
            f"{self.name} ended with {self.process.returncode}: {self.read_log_tail()}"
        )
        url = self.read_url()
        if url is None:
            return False
        try:
            async with aiohttp.request("GET", f"{url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def wait_until_ready(self, timeout_s: float = WAIT_TIMEOUT_S) -> None:
        """Await its readiness."""
        await wait_until(
            self.is_ready,
            timeout_s=timeout_s,
            message=f"{self.name} not ready: {self.read_log_tail()}",
        )

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; with SIGKILL or SIGTERM await its end."""
        self.process.send_signal(signum)
        if signum in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(30)

    def read_log_tail(self, characters: int = 3000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:]


@dataclass
class SystemUnderTest:
    """A world of its own: topics with a prefix, a data folder, its workers."""

    settings: Settings
    workers: list[Worker] = field(default_factory=list)

    def start_worker(self, *command: str, name: str, **environ: str) -> Worker:
        """Start a worker, for example `start("dispatch", name="dispatch-1")`."""
        program = [sys.executable, "-m", "streams.cli", *command, "--name", name]
        return self.start_program(program, name=name, **environ)

    def start_program(
        self, program: list[str], *, name: str = "dispatch-1", **environ: str
    ) -> Worker:
        """Start any program as this worker."""
        log = self.settings.data_dir / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        base_environ = {
            key: value for key, value in os.environ.items() if not key.startswith("WA_")
        }
        with log.open("ab") as out:
            process = subprocess.Popen(
                program,
                env=base_environ
                | to_environment(self.settings)
                | {"WA_WEB_PORT": "0", "WA_CONFIG": ""}
                | environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        run_file = self.settings.data_dir / "run" / f"{name}.json"
        worker = Worker(name, process, log, run_file)
        self.workers.append(worker)
        return worker

    def start_dispatcher(self, number: int = 1) -> Worker:
        """A dispatcher."""
        return self.start_worker("dispatch", name=f"dispatch-{number}")

    def start_sender(self, account: str = "main", number: int = 1) -> Worker:
        """A sender of the account."""
        suffix = "" if number == 1 else f"-{number}"
        return self.start_worker("sender", "--account", account, name=f"sender-{account}{suffix}")

    def delete_tables(self, name: str) -> None:
        """The disk under a worker that has ended is lost; who it was in the group is not."""
        for folder in (self.settings.data_dir / "tables" / name).iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)

    def stop(self) -> None:
        """End every worker that still runs."""
        alive = [worker for worker in self.workers if worker.is_alive]
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
        self._records: dict[str, list[Any]] = {}
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

    async def request(self, *requests: dict[str, Any]) -> None:
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
        if topic not in self._records:
            self._records[topic] = []
            self._tasks.append(asyncio.create_task(self._read(topic, self._records[topic])))
        return self._records[topic]

    async def _read(self, topic: str, records: list[Any]) -> None:
        consumer = AIOKafkaConsumer(
            **self._options, group_id=None, isolation_level="read_committed"
        )
        await consumer.start()
        try:
            assert self._producer is not None
            partitions = await self._producer.partitions_for(topic)
            consumer.assign([TopicPartition(topic, partition) for partition in partitions])
            await consumer.seek_to_beginning()
            async for record in consumer:
                records.append(record)
        finally:
            await consumer.stop()

    async def fetch_end_offset(self, topic: str) -> int:
        """How many records a topic of one partition has had."""
        consumer = AIOKafkaConsumer(**self._options, group_id=None)
        await consumer.start()
        try:
            partition = TopicPartition(topic, 0)
            return (await consumer.end_offsets([partition]))[partition]
        finally:
            await consumer.stop()

    # -- what came back

    def status_events(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """The status events so far, of one request or all."""
        events = [orjson.loads(record.value) for record in self._records[self.names.status]]
        return [e for e in events if request_id is None or e["id"] == request_id]

    def statuses(self, request_id: str) -> list[str]:
        """The statuses of a request, in order."""
        return [event["status"] for event in self.status_events(request_id)]

    def dead_letters(self) -> list[Any]:
        """The records of `wa.dlq` so far."""
        return self._records[self.names.dlq]

    async def wait_for_status(
        self, request_id: str, status: str, timeout_s: float = WAIT_TIMEOUT_S
    ) -> Any:
        """Await a status of a request; returns the event."""

        def find() -> Any:
            return next((e for e in self.status_events(request_id) if e["status"] == status), None)

        message = f"{request_id}: no {status!r} but {self.statuses(request_id)}"
        try:
            return await wait_until(find, timeout_s=timeout_s, message=message)
        except AssertionError:
            raise AssertionError(
                f"{request_id}: no {status!r} but {self.statuses(request_id)}"
            ) from None

    async def wait_for_statuses(
        self, ids: Iterable[str], statuses: set[str], timeout_s: float = WAIT_TIMEOUT_S
    ) -> None:
        """Await that each of these requests has had one of these statuses."""
        expected_ids = set(ids)

        def find_missing() -> set[str]:
            return expected_ids - {e["id"] for e in self.status_events() if e["status"] in statuses}

        try:
            await wait_until(lambda: not find_missing(), timeout_s=timeout_s)
        except AssertionError:
            missing = sorted(find_missing())
            statuses_seen = {each: self.statuses(each) for each in missing[:5]}
            raise AssertionError(
                f"{len(missing)} of {len(expected_ids)} without {statuses}: {statuses_seen}"
            ) from None


# -- the judge


@dataclass(frozen=True)
class Verdict:
    """What the sandbox's log says of a run."""

    shown: dict[str, list[dict[str, Any]]]  # by body
    dropped: int  # stanzas that the phones dropped

    @property
    def duplicates(self) -> list[str]:
        """Bodies that a phone showed more than once."""
        return [body for body, rows in self.shown.items() if len(rows) > 1]

    def find_lost(self, bodies: Iterable[str]) -> list[str]:
        """Bodies that no phone showed."""
        return [body for body in bodies if body not in self.shown]

    def max_in_a_minute(self) -> int:
        """The most messages that one phone was shown within 60 seconds."""
        times: defaultdict[str, list[float]] = defaultdict(list)
        for rows in self.shown.values():
            for row in rows:
                times[row["to"]].append(datetime.fromisoformat(row["at"]).timestamp())
        return max((_max_in_window(sorted(each), 60.0) for each in times.values()), default=0)

    def find_out_of_order(self, rank: Callable[[str], Any]) -> list[tuple[str, str]]:
        """Neighbours on a phone whose bodies' ranks fall."""
        by_phone: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for rows in self.shown.values():
            by_phone[rows[0]["to"]].append(rows[0])
        pairs: list[tuple[str, str]] = []
        for rows in by_phone.values():
            bodies = [row["body"] for row in sorted(rows, key=lambda row: row["seq"])]
            pairs += [(a, b) for a, b in pairwise(bodies) if rank(a) > rank(b)]
        return pairs


def _max_in_window(times: list[float], window_s: float) -> int:
    highest = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - window_s:
            first += 1
        highest = max(highest, last - first + 1)
    return highest


def judge(log: list[dict[str, Any]]) -> Verdict:
    """A verdict over the log's messages."""
    shown: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    dropped = 0
    for row in log:
        if row["event"] == "message":
            if row["shown"]:
                shown[row["body"]].append(row)
            else:
                dropped += 1
    return Verdict(dict(shown), dropped)
