"""The fence, by a clock of the test's own; with real heartbeats in test_producer.py and test_processes.py."""

import asyncio
from collections.abc import Awaitable

import pytest

from streams.runtime.exit_codes import ExitCode
from streams.runtime.fence import Fence


class Terminated(Exception):
    """Raised instead of ending the process."""


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fence(clock: Clock) -> Fence:
    def terminate(code: ExitCode, reason: str) -> None:
        raise Terminated(code.name)

    return Fence(7.0, clock_s=clock, terminate=terminate)


async def _is_done(waiting: "asyncio.Task[None]") -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return waiting.done()


def _task(check: Awaitable[None]) -> "asyncio.Task[None]":
    return asyncio.ensure_future(check)


async def test_a_fresh_heartbeat_opens_the_fence(fence: Fence, clock: Clock):
    """Up to the maximum age, both checks return at once."""
    fence.on_joined()
    clock.now_s += 7
    await fence.ensure_member()
    await fence.check_before_write()


async def test_an_old_heartbeat_waits_for_the_next_answer(fence: Fence, clock: Clock):
    """An old heartbeat proves nothing: both checks wait for the next one."""
    fence.on_joined()
    clock.now_s += 7.1
    waiting = [_task(fence.ensure_member()), _task(fence.check_before_write())]
    assert not await _is_done(waiting[0]) and not await _is_done(waiting[1])
    fence.on_heartbeat(clock.now_s - 0.1)
    await asyncio.gather(*waiting)


async def test_a_late_answer_to_an_old_heartbeat_does_not_open_it(fence: Fence, clock: Clock):
    """What counts is when the heartbeat was sent: its answer may have been on its way for long."""
    fence.on_joined()
    clock.now_s += 20
    waiting = _task(fence.ensure_member())
    fence.on_heartbeat(clock.now_s - 7.1)
    assert not await _is_done(waiting)
    waiting.cancel()


async def test_a_lost_generation_ends_the_process(fence: Fence, clock: Clock):
    """Other members have the partitions, so neither check may return."""
    fence.on_joined()
    fence.on_generation_lost()
    for check in (fence.ensure_member, fence.check_before_write):
        with pytest.raises(Terminated, match="FENCED"):
            await check()


async def test_a_lost_generation_ends_a_process_that_waits(fence: Fence, clock: Clock):
    """The loss ends the process also when a check is already waiting."""
    fence.on_joined()
    clock.now_s += 8
    waiting = _task(fence.check_before_write())
    assert not await _is_done(waiting)
    fence.on_generation_lost()
    with pytest.raises(Terminated, match="FENCED"):
        await waiting


async def test_between_generations_a_process_may_write_but_not_act(fence: Fence):
    """All partitions are released, so a write does no harm; but an act that cannot be undone needs partitions."""
    fence.on_joined()
    fence.on_revoked()
    await fence.check_before_write()
    acting = _task(fence.ensure_member())
    assert not await _is_done(acting)
    fence.on_joined()
    await acting


async def test_a_generation_lost_without_partitions_does_not_matter(fence: Fence):
    """A process that has released everything has nothing that others could have taken over."""
    fence.on_joined()
    fence.on_revoked()
    fence.on_generation_lost()
    await fence.check_before_write()
    acting = _task(fence.ensure_member())
    assert not await _is_done(acting)
    fence.on_joined()
    await acting


async def test_an_update_from_another_thread_wakes_the_waiter(fence: Fence, clock: Clock):
    """The coordinator runs in the consumer's thread, the check in the app's event loop."""
    fence.on_joined()
    clock.now_s += 8
    waiting = _task(fence.ensure_member())
    assert not await _is_done(waiting)
    await asyncio.to_thread(fence.on_heartbeat, clock.now_s)
    await asyncio.wait_for(waiting, 10)


async def test_the_predecessor_is_waited_for_once():
    """Only the first join waits for a predecessor."""
    fence = Fence(0.05, has_predecessor=True)
    first = _task(fence.wait_for_predecessor())
    assert not await _is_done(first)
    await first
    assert await _is_done(_task(fence.wait_for_predecessor()))
