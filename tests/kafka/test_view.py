"""A compacted topic in memory, on the real broker."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.kafka import admin, connection, topics
from streams.kafka.view import CompactedView, OnChange
from streams.settings import Settings
from tests.support.broker import OwnBroker, make_settings

pytestmark = pytest.mark.broker

Put = Callable[[bytes, bytes | None], Awaitable[object]]


class Changes:
    """Records the reported changes."""

    def __init__(self) -> None:
        self.reported: list[tuple[bytes, bytes | None]] = []
        self._more = asyncio.Event()

    def __call__(self, key: bytes, value: bytes | None, append_s: float) -> None:
        assert value is None or abs(append_s - time.time()) < 60
        self.reported.append((key, value))
        self._more.set()

    async def until(self, key: bytes, value: bytes | None) -> None:
        """Await this change."""
        async with asyncio.timeout(60):
            while (key, value) not in self.reported:
                self._more.clear()
                await self._more.wait()


def accounts(settings: Settings) -> str:
    return topics.names(settings).accounts


@contextlib.asynccontextmanager
async def writing(settings: Settings) -> AsyncIterator[Put]:
    """Writes to the accounts' topic."""
    async with AIOKafkaProducer(**connection.producer_options(settings)) as producer:
        yield lambda key, value: producer.send_and_wait(accounts(settings), value, key=key)


@contextlib.asynccontextmanager
async def viewing(
    settings: Settings, on_change: OnChange | None = None
) -> AsyncIterator[CompactedView]:
    """A started view of the accounts' topic."""
    view = CompactedView(settings, accounts(settings), on_change=on_change)
    async with asyncio.timeout(60):
        await view.start()
    try:
        yield view
    finally:
        await view.stop()


async def test_a_started_view_has_the_present_state(settings: Settings) -> None:
    """It has the last value of each key and no deleted key, and reports no change of the past."""
    await admin.create_topics(settings)
    async with writing(settings) as put:
        for number in range(50):
            await put(b"a", b"%d" % number)
        await put(b"b", b"1")
        await put(b"gone", b"1")
        await put(b"gone", None)
    changes = Changes()
    async with viewing(settings, changes) as view:
        assert (view.get(b"a"), view.get(b"gone"), len(view)) == (b"49", None, 2)
        assert sorted(view.items()) == [(b"a", b"49"), (b"b", b"1")]
        assert changes.reported == []


async def test_an_empty_topic_is_loaded_at_once(settings: Settings) -> None:
    """There may be no account yet."""
    await admin.create_topics(settings)
    async with viewing(settings) as view:
        assert view.items() == []


async def test_a_view_follows_changes(settings: Settings) -> None:
    """Each change is in the view when it is reported, in order; a deletion is reported as such."""
    await admin.create_topics(settings)
    changes = Changes()
    async with viewing(settings, changes) as view, writing(settings) as put:
        await put(b"a", b"1")
        await put(b"b", b"1")
        await put(b"a", None)
        await changes.until(b"a", None)
        assert view.items() == [(b"b", b"1")]
    assert changes.reported == [(b"a", b"1"), (b"b", b"1"), (b"a", None)]


async def test_an_aborted_record_is_never_seen(settings: Settings) -> None:
    """The view does not have it after the first load, which must not wait for it, nor later."""
    await admin.create_topics(settings)
    options = connection.producer_options(settings)
    async with AIOKafkaProducer(**options, transactional_id=settings.topic_prefix) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(accounts(settings), b"taken back", key=b"a")
        await producer.abort_transaction()
    changes = Changes()
    async with viewing(settings, changes) as view, writing(settings) as put:
        assert view.items() == []
        await put(b"b", b"1")
        await changes.until(b"b", b"1")
        assert view.items() == [(b"b", b"1")]


async def test_a_callback_that_raises_does_not_end_the_view(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback, and the next change is reported all the same."""
    await admin.create_topics(settings)
    changes = Changes()

    def on_change(key: bytes, value: bytes | None, append_s: float) -> None:
        if key == b"bad":
            raise ValueError("no such thing")
        changes(key, value, append_s)

    async with viewing(settings, on_change) as view, writing(settings) as put:
        await put(b"bad", b"1")
        await put(b"good", b"1")
        await changes.until(b"good", b"1")
        assert view.get(b"bad") == b"1"
    (logged,) = [record for record in caplog.records if record.name == "streams.kafka.view"]
    assert logged.levelno == logging.ERROR and logged.exc_info is not None


async def test_a_view_survives_its_broker(own_broker: OwnBroker, tmp_path: Path) -> None:
    """While the broker is down the last state remains, and a view that starts waits for its return."""
    settings = make_settings(own_broker, tmp_path)
    await admin.create_topics(settings)
    changes, late_changes = Changes(), Changes()
    late = CompactedView(settings, accounts(settings), on_change=late_changes)
    async with viewing(settings, changes) as view:
        async with writing(settings) as put:
            await put(b"a", b"1")
        await changes.until(b"a", b"1")
        own_broker.kill()
        starting = asyncio.create_task(late.start())
        try:
            assert view.items() == [(b"a", b"1")]
            await asyncio.to_thread(own_broker.start)
            async with asyncio.timeout(60):
                await starting
            assert late.items() == [(b"a", b"1")]
            async with writing(settings) as put:
                await put(b"a", b"2")
            await changes.until(b"a", b"2")
            await late_changes.until(b"a", b"2")
            assert view.items() == late.items() == [(b"a", b"2")]
        finally:
            await late.stop()


async def test_a_recreated_topic_is_read_again(settings: Settings) -> None:
    """Offsets beyond the end mean another log: keys that are not in it are reported as deleted, newer records as new.

    A heartbeat has the value of the one before.
    """
    await admin.create_topics(settings)
    changes = Changes()
    async with viewing(settings, changes) as view:
        async with writing(settings) as put:
            for number in range(20):
                await put(b"old", b"%d" % number)
            await put(b"same", b"1")
        await changes.until(b"same", b"1")
        async with connection.admin_client(settings) as client:
            await client.delete_topics([accounts(settings)])
            async with asyncio.timeout(60):
                while accounts(settings) in await admin.partition_counts(client):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        await admin.create_topics(settings)
        async with writing(settings) as put:
            await put(b"same", b"1")
            await put(b"new", b"1")
        await changes.until(b"new", b"1")
        await changes.until(b"old", None)
        assert sorted(view.items()) == [(b"new", b"1"), (b"same", b"1")]
    assert changes.reported.count((b"same", b"1")) == 2


async def test_catching_up_reads_to_the_end(settings: Settings) -> None:
    """What a producer has written before is there afterwards, each time, and nothing new is not waited for."""
    await admin.create_topics(settings)
    async with viewing(settings) as view, writing(settings) as put:
        for number in range(20):
            await put(b"a", b"%d" % number)
            assert await view.catch_up(60)
            assert view.get(b"a") == b"%d" % number
        async with asyncio.timeout(60):
            assert await view.catch_up(60)


async def test_catching_up_has_a_bound(settings: Settings) -> None:
    """A view that follows no longer does not come to the end; the caller learns that, in time."""
    await admin.create_topics(settings)
    async with viewing(settings) as view, writing(settings) as put:
        await view.stop()
        await put(b"a", b"new")
        assert not await view.catch_up(0.5)
