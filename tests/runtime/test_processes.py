"""Workers in processes of their own: killed, suspended, joining, leaving, and failing. Nothing is lost."""

import asyncio
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator

import orjson
import pytest

from streams.kafka import admin, connection, reader
from streams.kafka.admin import InvalidTopics
from streams.runtime.exit_codes import ExitCode
from streams.runtime.worker import EXIT_CRASHED
from tests.runtime.world import WorkerProcess, World, wait_until

pytestmark = pytest.mark.broker

KEYS = 40


async def _load(world: World, start: int, end: int) -> None:
    """Records `start` to `end`, over all keys and partitions."""
    sent = [
        await world.producer.send(
            world.topics.outbound,
            b"%d" % number,
            key=b"%d" % (number % KEYS),
            partition=number % KEYS % world.settings.partitions,
        )
        for number in range(start, end)
    ]
    await asyncio.gather(*sent)


async def _published(world: World) -> int:
    async with reader.open_reader(world.settings, world.topics.status) as status:
        return sum((await status.end_offsets()).values())


async def _at_least(world: World, number: int, worker: WorkerProcess) -> None:
    async def enough() -> bool:
        assert worker.is_alive, worker.log
        return await _published(world) >= number

    await wait_until(enough)


async def _all_counted_once(world: World, number: int) -> None:
    """Every record was counted, none twice, whatever was processed again; and no row ever went back."""
    events = [
        orjson.loads(record.value or b"") for record in await world.read_topic(world.topics.status)
    ]
    assert {event["id"] for event in events} == {str(index) for index in range(number)}
    counts: defaultdict[str, set[int]] = defaultdict(set)
    for event in events:
        counts[event["id"]].add(event["count"])
    assert [values for values in counts.values() if len(values) > 1] == []
    last = Counter[int]()
    for event in events:
        key = int(event["id"]) % KEYS
        last[key] = max(last[key], event["count"])
    assert last == Counter(index % KEYS for index in range(number))
    assert list(await _rows_gone_back(world)) == []


async def _rows_gone_back(world: World) -> Iterator[str]:
    written: dict[bytes, int] = {}
    back = []
    for record in await world.read_topic(f"{world.group}-rows-changelog"):
        assert record.key is not None and record.value is not None
        if record.key.startswith(b"__faust"):
            continue
        _, offset = orjson.loads(record.value)
        if offset < written.get(record.key, -1):
            back.append(f"{record.key}: {written[record.key]} → {offset}")
        written[record.key] = offset
    return iter(back)


async def test_nothing_is_lost_by_kills(world: World):
    """Of 2,000 records, none is lost by two kills, the second of which loses the folder too."""
    await _load(world, 0, 2000)
    worker = world.start_worker("counter", "dispatch-1", HOLD_S="0.005")
    await _at_least(world, 300, worker)
    worker.kill()
    worker = world.start_worker("counter", "dispatch-1", HOLD_S="0.005")
    await _at_least(world, 1000, worker)
    worker.kill()
    shutil.rmtree(world.settings.data_dir / "tables")
    worker = world.start_worker("counter", "dispatch-1")
    await wait_until(world.has_no_lag)
    worker.terminate()
    assert await worker.wait_for_exit() == 0
    await _all_counted_once(world, 2000)


async def test_nothing_is_lost_by_joining_and_leaving(world: World):
    """A second worker joins and leaves while records are processed."""
    loaded = 800
    await _load(world, 0, loaded)
    first = world.start_worker("counter", "dispatch-1", HOLD_S="0.01")
    await _at_least(world, 50, first)
    second = world.start_worker("counter", "dispatch-2", HOLD_S="0.01")

    async def second_works() -> bool:
        nonlocal loaded
        if await _works(world, second):
            return True
        await _load(world, loaded, loaded + KEYS)  # the first may finish before the second joins
        loaded += KEYS
        return False

    await wait_until(second_works)
    second.terminate()
    assert await second.wait_for_exit() == 0
    await wait_until(world.has_no_lag)
    first.terminate()
    assert await first.wait_for_exit() == 0
    await _all_counted_once(world, loaded)


async def _works(world: World, worker: WorkerProcess) -> bool:
    assert worker.is_alive, worker.log
    events = await world.read_topic(world.topics.status)
    return any(orjson.loads(event.value or b"")["by"] == worker.pid for event in events)


async def test_a_suspended_worker_that_lost_its_partitions_writes_nothing_more(world: World):
    """It resumes in the middle of an event, takes the partitions for its own, and ends with exit code 75."""
    await _load(world, 0, 400)
    suspended = world.start_worker("counter", "dispatch-1", HOLD_S="0.05")
    await _at_least(world, 40, suspended)
    suspended.suspend()
    second = world.start_worker("counter", "dispatch-2")
    await wait_until(world.has_no_lag)
    suspended.resume()
    assert await suspended.wait_for_exit() == ExitCode.FENCED, suspended.log
    await _load(world, 400, 500)
    await wait_until(world.has_no_lag)
    second.terminate()
    await second.wait_for_exit()
    await _all_counted_once(world, 500)


async def test_a_worker_may_come_back_on_a_machine_of_another_name(world: World):
    """As in a new container: Faust's assignor identifies a member by its address, and would refuse it."""
    for number, machine in enumerate(("before", "after")):
        await _load(world, 20 * number, 20 * number + 20)
        worker = world.start_worker("counter", "dispatch-1", WEB_HOST=machine)
        await _at_least(world, 20 * number + 20, worker)
        await wait_until(world.has_no_lag)
        worker.terminate()
        assert await worker.wait_for_exit() == 0


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ("raise", ExitCode.EVENT_INTERRUPTED),
        ("crash", ExitCode.EVENT_INTERRUPTED),
        ("revoked", EXIT_CRASHED),
    ],
)
async def test_an_event_that_was_not_finished_is_not_committed(
    world: World, failure: str, code: int
):
    """Faust would acknowledge the event, and it would be lost. One whose partition is gone ends nothing by itself."""
    await world.produce([b"before", failure.encode(), b"after"])
    worker = world.start_worker("failing", "dispatch-1")
    assert await worker.wait_for_exit() == code, worker.log
    healthy = world.start_worker("failing", "dispatch-1", HEALTHY="1")
    await wait_until(world.has_no_lag)
    healthy.terminate()
    assert await healthy.wait_for_exit() == 0
    values = {record.value for record in await world.read_topic(world.topics.status)}
    assert values == {b"before", failure.encode(), b"after"}


async def test_an_event_loop_that_is_stuck_ends_the_process(world: World):
    """The log shows where the loop was stuck."""
    await world.produce([b"block"])
    worker = world.start_worker("failing", "dispatch-1", GRACE_S="1")
    assert await worker.wait_for_exit() == ExitCode.LOOP_STUCK, worker.log
    assert "in fail" in worker.log  # where it was stuck
    assert "waiting: " in worker.log  # and what its other tasks wait for


async def test_an_event_that_never_ends_ends_the_process(world: World):
    """The watchdog ends the process with exit code 78."""
    await world.produce([b"hang"])
    worker = world.start_worker("failing", "dispatch-1", GRACE_S="1")
    assert await worker.wait_for_exit() == ExitCode.STALLED, worker.log
    assert "makes no progress" in worker.log


async def test_an_event_that_never_ends_does_not_prevent_a_stop(world: World):
    """After SIGTERM the worker waits for its events only for a limited time."""
    await world.produce([b"hang"])
    worker = world.start_worker("failing", "dispatch-1", STOP_GRACE_S="1")
    await wait_until(lambda: "starting hang" in worker.log)
    worker.terminate()
    assert await worker.wait_for_exit() == ExitCode.STALLED, worker.log
    assert "did not stop within 2 s" in worker.log
    assert "waiting: " in worker.log  # for what, a line for each task


async def test_a_recreated_topic_ends_the_process(world: World):
    """Its rows carry offsets of another log, and events of the new one would look old."""
    await _counted_and_stopped(world)
    await _recreate(world, world.topics.outbound)
    worker = world.start_worker("counter", "dispatch-1")
    assert await worker.wait_for_exit() == ExitCode.TOPIC_RECREATED, worker.log
    assert f"{world.topics.outbound} was recreated" in worker.log


async def test_a_recreated_changelog_ends_the_process(world: World):
    """The local rows are more than the changelog holds: another worker would not have them."""
    await _counted_and_stopped(world)
    await _recreate(world, f"{world.group}-rows-changelog")
    worker = world.start_worker("counter", "dispatch-1")
    assert await worker.wait_for_exit() == ExitCode.TOPIC_RECREATED, worker.log
    assert "a changelog of the tables was recreated" in worker.log


async def _recreate(world: World, topic: str) -> None:
    async with connection.admin_client(world.settings) as client:
        await client.delete_topics([topic])

    async def recreated() -> bool:
        try:
            return topic in await admin.create_topics(world.settings)
        except InvalidTopics:
            return False  # its deletion is not complete yet

    await wait_until(recreated)


async def _counted_and_stopped(world: World) -> None:
    await _load(world, 0, 20)
    worker = world.start_worker("counter", "dispatch-1")
    await wait_until(world.has_no_lag)
    worker.terminate()
    await worker.wait_for_exit()


async def test_one_name_is_one_process(world: World):
    """A second process of the same name exits and says why; the first goes on."""
    first = world.start_worker("counter", "dispatch-1")
    await wait_until(
        lambda: (world.settings.data_dir / "tables" / "dispatch-1" / "member").exists()
    )
    second = world.start_worker("counter", "dispatch-1")
    assert await second.wait_for_exit() == 1
    assert "WorkerAlreadyRunning: a worker dispatch-1 is already running" in second.log
    assert first.is_alive


async def test_a_loop_whose_report_fails_ends_the_process(world: World):
    """What it waited for is not known then, but it ends."""
    await world.produce([b"block"])
    worker = world.start_worker("failing", "dispatch-1", GRACE_S="1", REPORT_FAILS="1")
    assert await worker.wait_for_exit() == ExitCode.LOOP_STUCK, worker.log


async def test_a_stop_whose_report_fails_ends_the_process(world: World):
    """The same."""
    await world.produce([b"hang"])
    worker = world.start_worker("failing", "dispatch-1", STOP_GRACE_S="1", REPORT_FAILS="1")
    await wait_until(lambda: "starting hang" in worker.log)
    worker.terminate()
    assert await worker.wait_for_exit() == ExitCode.STALLED, worker.log
