"""A cancellation that aiokafka loses while it connects or reads is not lost: the task would go on for ever."""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from itertools import product
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from aiokafka.structs import RecordMetadata
from faust.types import TP

import streams
from streams.dispatch.flights import claim_reader
from streams.dispatch.flights.barrier import BarrierWriter
from streams.kafka import reader
from streams.runtime.recovery import changelogs
from streams.settings import load

SOURCES = Path(streams.__file__).parent


class Losing:
    """A consumer that loses a cancellation in one of its calls. `late_calls`: what was called after that."""

    def __init__(self, call: str) -> None:
        self.call = call
        self.begun = asyncio.Event()
        self.is_lost = False
        self.late_calls: list[str] = []

    def __call__(self, **_: object) -> "Losing":
        """It is made."""
        return self

    async def _answer(self, call: str) -> None:
        if self.is_lost:
            self.late_calls.append(call)
        if call == self.call:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.is_lost = True

    async def start(self) -> None:
        """See aiokafka; so the others."""
        await self._answer("start")

    async def getmany(self, *_: object, **__: object) -> dict[object, Sequence[object]]:
        await self._answer("getmany")
        return {}

    async def beginning_offsets(self, parts: Sequence[object]) -> dict[object, int]:
        await self._answer("beginning_offsets")
        return dict.fromkeys(parts, 0)

    async def position(self, _: object) -> int:
        await self._answer("position")
        return 0

    async def topics(self) -> set[str]:
        await self._answer("topics")
        return {"send", "wa-sender-main-sends-changelog"}

    async def seek_to_beginning(self, _: object) -> None:
        await self._answer("seek_to_beginning")

    async def _wait_on_metadata(self, _: str) -> None:
        await self._answer("wait_on_metadata")

    @property
    def _client(self) -> "Losing":
        return self

    def assignment(self) -> set[object]:
        """Nothing is assigned yet."""
        return set()

    def partitions_for_topic(self, _: str) -> set[int]:
        """There is one."""
        return {0}

    def assign(self, _: object) -> None: ...

    def seek(self, *_: object) -> None: ...

    async def stop(self) -> None: ...


async def recover() -> None:
    """A changelog with one record that does not come."""
    reader = changelogs.ChangelogReader({}, {TP("t", 0): (0, 1)})
    async for _ in reader.read():
        raise AssertionError("there is no chunk")


async def read_claims() -> None:
    """The claims of an account."""

    async def publish(*_: object, **__: object) -> RecordMetadata:
        return cast("RecordMetadata", _Written())

    barriers = BarrierWriter(publish, "dispatch-1", lambda _: "send")
    await claim_reader.ClaimReader(load({"WA_CONFIG": ""}), barriers).read("main", ["A"])


async def read_topic() -> None:
    """A topic without a group: the reader is not given to its caller."""
    async with reader.open_reader(load({"WA_CONFIG": ""}), "send"):
        raise AssertionError("it was opened")


class _Written:
    offset = 1


@pytest.mark.parametrize(
    ("read", "call"),
    [
        *product((recover, read_claims), ("start", "getmany")),
        *product((read_topic,), ("start", "beginning_offsets")),
    ],
)
async def test_a_reader_ends(monkeypatch: pytest.MonkeyPatch, read: Any, call: str) -> None:
    """It calls the consumer no more, but for its end."""
    consumer = Losing(call)
    for module in (changelogs, claim_reader, reader):
        monkeypatch.setattr(module, "AIOKafkaConsumer", consumer)
    for module in (claim_reader, reader):
        monkeypatch.setattr(module, "client_options", lambda _: {"bootstrap_servers": "none"})
    monkeypatch.setattr(reader, "require_topic", AsyncMock())
    monkeypatch.setattr(
        claim_reader.topics, "changelog_topic", lambda *_: "wa-sender-main-sends-changelog"
    )
    work: Coroutine[Any, Any, None] = read()
    task = asyncio.create_task(work)
    async with asyncio.timeout(60):
        await consumer.begun.wait()
        task.cancel()
        await asyncio.wait({task})
    assert (task.cancelled(), consumer.late_calls) == (True, [])


def test_every_consumer_is_started_so() -> None:
    """By `start_consumer`, which keeps the cancellation."""
    makers = [path for path in SOURCES.rglob("*.py") if "AIOKafkaConsumer(" in path.read_text()]
    assert len(makers) >= 8
    bare = re.compile(r"await (self\._)?(consumer|reader)\.start\(\)")
    wrong = [str(path.relative_to(SOURCES)) for path in makers if bare.search(path.read_text())]
    assert wrong == []
