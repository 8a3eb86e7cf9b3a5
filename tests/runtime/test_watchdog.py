"""The watchdog: what counts as a stall, and what does not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streams.runtime.exit_codes import ExitCode
from streams.runtime.factory import App
from streams.runtime.watchdog import StallTimer, Watchdog, WatchdogTimeouts
from tests.runtime.world import World, create_world, run_app, wait_until
from tests.support.broker import OwnBroker, make_settings

QUICK = WatchdogTimeouts(0.7, 60.0, resync_after_s=0.3, check_interval_s=0.1, broker_timeout_s=1.0)


def test_a_mark_that_changes_is_not_stalled():
    """Only the time without a change counts."""
    timer = StallTimer()
    assert timer.update(1.0, {"a": 1, "b": 1}) == {"a": 0.0, "b": 0.0}
    assert timer.update(2.0, {"a": 1, "b": 2}) == {"a": 2.0, "b": 0.0}
    assert timer.update(3.0, {"a": 1, "b": 2}) == {"a": 5.0, "b": 3.0}


def test_a_mark_that_returns_starts_again():
    """A mark that was missing in between has no history."""
    timer = StallTimer()
    timer.update(1.0, {"a": 1})
    timer.update(5.0, {})
    assert timer.update(1.0, {"a": 1}) == {"a": 0.0}


class Watched:
    """A running app whose watchdog records endings instead of ending the process."""

    def __init__(self, world: World, timeouts: WatchdogTimeouts = QUICK) -> None:
        self.world = world
        self.endings: list[tuple[ExitCode, str]] = []
        self.checks = 0
        self.app: App = world.make_app()
        self.app.watchdog = Watchdog(
            self.app, timeouts, terminate=lambda code, reason: self.endings.append((code, reason))
        )
        self.release = asyncio.Event()
        check = self.app.watchdog.check

        async def counted(elapsed_s: float) -> None:
            await check(elapsed_s)
            self.checks += 1

        self.app.watchdog.check = counted  # type: ignore[method-assign]

        @self.app.agent(
            self.app.raw_topic(world.topics.outbound), name="watched", isolated_partitions=True
        )
        async def watched(stream) -> None:
            async for event in stream.events():
                if event.value == b"stuck":
                    await self.release.wait()

    async def wait_for_checks(self, seconds: float) -> None:
        """Return after as many checks as a stall of this age takes."""
        enough = self.checks + seconds / self.app.watchdog.timeouts.check_interval_s
        await wait_until(lambda: self.checks >= enough)


@pytest.fixture
async def watched(world: World) -> AsyncIterator[Watched]:
    watched = Watched(world)
    async with run_app(watched.app):
        yield watched
        watched.release.set()


@pytest.mark.broker
async def test_an_idle_partition_is_not_stalled(watched: Watched):
    """A partition with nothing to read or to commit may stand still."""
    await watched.world.produce([b"done"] * 10)
    await wait_until(watched.world.has_no_lag)
    await watched.wait_for_checks(1.5)
    assert watched.endings == []


@pytest.mark.broker
async def test_an_event_that_does_not_end_is_a_stall(watched: Watched):
    """The reason names the partition and the offsets."""
    await watched.world.produce([b"done", b"stuck", b"behind it"])
    code, reason = await wait_until(lambda: watched.endings and watched.endings[0])
    assert code is ExitCode.STALLED
    assert "partition 0 makes no progress" in reason
    assert "committed 1, next 3, oldest unacknowledged 1" in reason


@pytest.mark.broker
async def test_a_recovery_that_makes_no_progress_is_a_stall(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The process ends as not ready."""
    watched = Watched(world, replace(QUICK, readiness_timeout_s=1.0))
    monkeypatch.setattr(watched.app.typed_consumer, "perform_seek", asyncio.Event().wait)
    starting = asyncio.ensure_future(watched.app.start())
    code, _ = await wait_until(lambda: watched.endings and watched.endings[0])
    assert code is ExitCode.NOT_READY
    starting.cancel()
    await watched.app.stop()


@pytest.mark.broker
async def test_a_coordinator_that_has_died_is_noticed(watched: Watched):
    """aiokafka ends its task after an error, and reports it nowhere."""
    coordinator = watched.app.typed_consumer._thread._ensure_consumer()._coordinator
    task = coordinator._coordination_task
    task.get_loop().call_soon_threadsafe(task.cancel)
    code, reason = await wait_until(lambda: watched.endings and watched.endings[0])
    assert code is ExitCode.NOT_READY
    assert "coordinator" in reason


@pytest.mark.broker
async def test_a_check_that_is_overtaken_by_a_stop_ends_no_process(world: World):
    """The coordinator's task ends in a stop too. The check began before, and the broker answered late."""
    watched = Watched(world)
    async with run_app(watched.app):
        coordinator = watched.app.typed_consumer._thread._ensure_consumer()._coordinator

        async def answer_late() -> bool:
            await wait_until(coordinator._coordination_task.done)
            return True

        watched.app.watchdog._is_broker_reachable = answer_late  # type: ignore[method-assign]
        checking = asyncio.ensure_future(watched.app.watchdog.check(0.1))
        await asyncio.sleep(0)  # it waits for the broker now
    await checking
    assert watched.endings == []


@pytest.mark.broker
async def test_a_broker_that_does_not_answer_ends_no_process(own_broker: OwnBroker, tmp_path: Path):
    """A restart would not help; it would only add load."""
    async with create_world(make_settings(own_broker, tmp_path)) as world:
        watched = Watched(world, replace(QUICK, readiness_timeout_s=0.7, broker_timeout_s=0.3))
        async with run_app(watched.app):
            await world.produce([b"stuck"])
            await wait_until(lambda: watched.endings)
            own_broker.suspend()
            await watched.wait_for_checks(0.2)  # one may have begun before
            watched.endings.clear()
            await watched.wait_for_checks(0.5)
            assert watched.endings == []
            own_broker.resume()
            await wait_until(lambda: watched.endings)
            watched.release.set()
