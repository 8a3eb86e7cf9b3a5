"""The start of the demo ends with a reason when it cannot succeed."""

import asyncio

import pytest

from streams.local.start_limit import StartLimit
from streams.local.status import ServiceStatus
from streams.operations.errors import CommandFailed


async def test_a_service_that_keeps_ending_is_named() -> None:
    """The last reason is in the error."""
    limit = StartLimit(max_restarts=2)
    for restarts in range(2):
        limit.note_service(ServiceStatus("kafka", None, "backoff", restarts, "no space left"))
    limit.note_service(ServiceStatus("kafka", None, "starting", 2))
    with pytest.raises(CommandFailed, match=r"kafka does not start, after 2 restarts: no space"):
        await limit.enforce()


async def test_a_start_without_progress_ends() -> None:
    """The last step that was seen is in the error."""
    limit = StartLimit(max_silence_s=0.05)
    limit.note_step("fetching Chromium")
    with pytest.raises(CommandFailed, match=r"no progress for 0 s; last: fetching Chromium"):
        await limit.enforce()


async def test_progress_and_a_service_that_becomes_ready_are_no_failure() -> None:
    """A service may need some restarts."""
    limit = StartLimit(max_restarts=2)
    limit.note_service(ServiceStatus("kafka", 1, "ready", 2))
    enforcing = asyncio.create_task(limit.enforce())
    for number in range(5):
        limit.note_step(f"step {number}")
        await asyncio.sleep(0)
    assert not enforcing.done()
    enforcing.cancel()
