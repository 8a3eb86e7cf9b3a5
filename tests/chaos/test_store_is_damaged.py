"""Bytes of a dispatcher's RocksDB are flipped: nothing is lost, repeated or answered with `internal_error`.

About a minute. What each kind of damage does is in tests/runtime/store.
"""

import json
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin, reader
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.runtime.exit_codes import ExitCode
from streams.settings import Settings
from tests.support.broker import make_settings
from tests.support.system import SystemUnderTest, Worker
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.chaos]

COUNT = 100
RANK = ("accepted", "queued", "cancelled")  # no sender runs


async def test_every_request_is_answered(broker: EmbeddedBroker, tmp_path: Path):
    """100 requests are accepted and cancelled; then the store is damaged, and they and 100 others are requested.

    A start reads the rows of recipients that wait, and would keep them in memory: these do not wait.
    """
    settings = make_settings(broker, tmp_path, partitions=1)
    await admin.create_topics(settings)
    system = SystemUnderTest(settings)
    try:
        worker = system.start_dispatcher()
        await send(settings, "first")
        await wait_for_answers(settings, [worker], "first")
        await cancel_all(settings, "first")
        for _ in range(2):  # at a start, RocksDB writes what it has to an SST file
            worker.kill(signal.SIGTERM)
            worker = system.start_dispatcher()
            await worker.wait_until_ready()
        assert flip_bytes(tmp_path)
        await send(settings, "first")  # known ids: answered out of the damaged rows
        await send(settings, "second")
        workers = [worker]
        await wait_for_answers(settings, workers, "second", restart=system.start_dispatcher)
        ended_with = [each.process.returncode for each in workers[:-1]]
        assert ended_with == [ExitCode.STORE_DAMAGED], worker.read_log_tail()
        assert "set aside as" in workers[-1].read_log_tail(20_000)
        check(await read_events(settings))
    finally:
        system.stop()


async def send(settings: Settings, batch: str) -> None:
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        for number in range(COUNT):
            request = {"id": f"{batch}-{number}", "to": f"+6012345{number:04}", "text": "x" * 500}
            value = json.dumps(request).encode()
            await producer.send_and_wait(names(settings).outbound, value)


async def cancel_all(settings: Settings, batch: str) -> None:
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        for number in range(COUNT):
            request = {"type": "cancel", "to": f"+6012345{number:04}", "id": f"{batch}-{number}"}
            await producer.send_and_wait(names(settings).outbound, json.dumps(request).encode())

    async def are_all_cancelled() -> bool:
        events = await read_events(settings)
        return all(events[f"{batch}-{n}"][-1]["status"] == "cancelled" for n in range(COUNT))

    await wait_until(are_all_cancelled, timeout_s=90, message="not cancelled")


async def read_events(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """The status events of each id, in order."""
    events: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    async with reader.open_reader(settings, names(settings).status) as statuses:
        async for record in statuses.read_to_end():
            event = json.loads(record.value or b"")
            events[event["id"]].append(event)
    return events


async def wait_for_answers(
    settings: Settings, workers: list[Worker], batch: str, restart: Any = None
) -> None:
    """Wait until each request of the batch has a status; `restart` does what `up` does."""

    async def is_answered() -> bool:
        if not workers[-1].is_alive and restart is not None:
            workers.append(restart())
        events = await read_events(settings)
        return all(f"{batch}-{number}" in events for number in range(COUNT))

    await wait_until(is_answered, timeout_s=90, message=workers[-1].read_log_tail())


def flip_bytes(data_dir: Path) -> list[Path]:
    """Damage the larger part of each SST file; its beginning, which the start reads, stays."""
    files = list((data_dir / "tables").rglob("rows-0.db/*.sst"))
    for file in files:
        content = bytearray(file.read_bytes())
        for index in range(len(content) // 4, len(content) - 2000, 100):
            content[index] ^= 0xFF
        file.write_bytes(content)
    return files


def check(events: dict[str, list[dict[str, Any]]]) -> None:
    assert len(events) == 2 * COUNT
    for id_, of_request in events.items():
        codes = [(event.get("error") or {}).get("code") for event in of_request]
        assert "internal_error" not in codes, id_
        # What is published again after a crash has the same event id.
        statuses = list({event["event_id"]: event["status"] for event in of_request}.values())
        assert statuses[0] == "accepted", (id_, statuses)
        assert statuses == sorted(statuses, key=RANK.index), (id_, statuses)
