"""Requests of the consumer that fail for a time: Faust would crash the app in the middle of its events."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.errors import CommitFailedError, KafkaError, UnknownError

from tests.runtime.reading import RecordingApp
from tests.runtime.world import World, run_app, wait_until

pytestmark = pytest.mark.broker

Call = Callable[..., Awaitable[Any]]


def _fail_at_first(call: Call, *errors: Exception) -> Call:
    """The call, but the first ones raise these errors."""
    pending = list(errors)

    async def failing(*args: Any, **options: Any) -> Any:
        if pending:
            raise pending.pop(0)
        return await call(*args, **options)

    return failing


async def test_a_commit_that_fails_is_repeated(world: World):
    """Whatever the error is: the offset is committed by a later commit, also if no event follows."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        consumer: Any = reading.app.typed_consumer._thread._ensure_consumer()
        consumer.commit = _fail_at_first(
            consumer.commit, UnknownError(), KeyError("node"), CommitFailedError("rebalanced")
        )
        await world.produce([b"value"])
        await wait_until(world.has_no_lag)
        assert await world.read_committed_offset() == 1
    assert reading.values == [b"value"]


async def test_a_fetch_that_fails_is_repeated(world: World):
    """An error of the coordinator is raised by the next fetch, and is of no consequence either."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        fetcher: Any = reading.app.typed_consumer._thread._ensure_consumer()._fetcher
        fetcher.fetched_records = _fail_at_first(
            fetcher.fetched_records, KafkaError("Unexpected error from SyncGroup"), UnknownError()
        )
        await world.produce([b"value"])
        await reading.wait_for_values(b"value")
