"""Records that left the log before they were read, on the real broker: they are counted, and reading goes on."""

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from faust.types import TP

from streams.kafka import connection
from streams.runtime.consumer import consumer
from streams.runtime.exit_codes import ExitCode
from tests.runtime.reading import RecordingApp, lose_batch, numbered_values
from tests.runtime.world import World, run_app, wait_until

pytestmark = pytest.mark.broker


async def test_records_deleted_while_down_are_counted(world: World):
    """Reading continues with the first record that the log still has."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await reading.wait_for_values(*numbered_values(0, 10))
        await wait_until(world.has_no_lag)
    await world.produce(numbered_values(10, 30))
    await _delete(world, before=25)
    again = RecordingApp(world)
    async with run_app(again.app):
        await again.wait_for_values(*numbered_values(25, 30))
        await wait_until(world.has_no_lag)
        assert again.app.typed_consumer.deleted_counts == {(world.topics.outbound, 0): 15}


async def test_records_deleted_to_the_end_while_down_are_counted_at_once(world: World):
    """No later record reveals it."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await wait_until(world.has_no_lag)
    await world.produce(numbered_values(10, 30))
    await _delete(world, before=30)
    again = RecordingApp(world)
    async with run_app(again.app):
        assert again.app.typed_consumer.deleted_counts == {(world.topics.outbound, 0): 20}
        await wait_until(world.has_no_lag)


async def test_records_deleted_while_running_are_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Every record is either delivered once or counted as deleted."""
    reading = RecordingApp(world)
    losing = lose_batch(monkeypatch)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await reading.wait_for_values(*numbered_values(0, 10))
        losing.set()
        await world.produce(numbered_values(10, 30))
        await wait_until(lambda: not losing.is_set())
        await _delete(world, before=25)
        await world.produce([b"30"])
        await wait_until(lambda: b"30" in reading.values)
        assert set(numbered_values(25, 31)) < set(reading.values)
        lost = 30 - len(set(reading.values) - {b"30"})
        assert reading.app.typed_consumer.deleted_counts[world.topics.outbound, 0] == lost > 0
        assert len(reading.values) == len(set(reading.values))


async def test_records_deleted_before_the_first_start_are_not_counted(world: World):
    """A new group starts with the first record that the log has."""
    await world.produce(numbered_values(0, 10))
    await _delete(world, before=10)
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await world.produce([b"x"])
        await reading.wait_for_values(b"x")
        await wait_until(world.has_no_lag)
        assert not reading.app.typed_consumer.deleted_counts


async def test_a_commit_beyond_the_end_of_the_log_ends_the_process(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The log was truncated, for instance by a power failure, and rows may carry offsets that will be used again."""
    reading = RecordingApp(world)
    async with run_app(reading.app):
        await world.produce(numbered_values(0, 10))
        await wait_until(world.has_no_lag)
    exit_codes: list[ExitCode] = []
    monkeypatch.setattr(consumer, "terminate", lambda code, reason: exit_codes.append(code))
    again = RecordingApp(world)

    async def ends(*partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, 9)

    monkeypatch.setattr(again.app.typed_consumer, "highwaters", ends)
    async with run_app(again.app):
        assert exit_codes == [ExitCode.TOPIC_RECREATED]


async def _delete(world: World, before: int) -> None:
    partition = TopicPartition(world.topics.outbound, 0)
    async with connection.admin_client(world.settings) as client:
        await client.delete_records({partition: RecordsToDelete(before)})
