"""Events of many phones in one commit of the phone stage: what they share, and what only one of them suffers."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from streams.dispatch.commits import decider as decider_module
from streams.dispatch.commits.decision import MAX_COMMIT_BYTES, EventDisposition
from streams.dispatch.conversion import LogRecord
from streams.dispatch.publisher import OutgoingRecord
from streams.domain.phone import events
from streams.domain.phone.events import Event
from streams.domain.phone.step import step
from streams.runtime.broker.publisher import RecordTooLarge
from streams.runtime.table import Change
from tests.support.stage_world import FAILED, NOW_S, StageWorld, request

APPLIED, FAILURE = EventDisposition.APPLIED, EventDisposition.FAILED


def phone(number: int) -> str:
    return f"+6012345{number:04}"


def make_requests(count: int) -> list[Event]:
    """One request for each of so many phones."""
    return [replace(request(f"r{n}", n), phone=phone(n)) for n in range(count)]


class GroupWorld(StageWorld):
    """A stage whose publishes are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.publishes: list[int] = []
        publish = self.publisher.publish

        async def count(records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
            self.publishes += [len(records)] if records else []
            return await publish(records)

        self.publisher.publish = count  # type: ignore[method-assign]

    def handle_group(self, log: list[Event | bytes], first: int = 0) -> list[EventDisposition]:
        records = [
            LogRecord(first + n, e if isinstance(e, bytes) else events.encode(e), NOW_S)
            for n, e in enumerate(log)
        ]
        return asyncio.run(self.stage.handle_group(self.store, records))

    def read_statuses(self) -> list[tuple[str, str]]:
        """Id and status of each status that was published."""
        statuses = [orjson.loads(r.value or b"") for r in self.disk.topics if r.topic == "status"]
        return [(status["id"], status["status"]) for status in statuses]


@pytest.fixture
def world() -> GroupWorld:
    return GroupWorld()


def test_a_group_is_one_write_and_one_publish(world: GroupWorld) -> None:
    """Rows of all phones first, then all effects, in the order of the log."""
    assert world.handle_group([*make_requests(6)]) == [APPLIED] * 6
    assert (world.disk.write_count, world.publishes) == (1, [12])
    assert world.take_topics() == ["status", "send.main"] * 6


def test_two_events_of_a_phone_share_no_commit(world: GroupWorld) -> None:
    """The second one sees what the first one wrote; events of other phones need not wait for it."""
    first, other = make_requests(2)
    outcome = replace(FAILED, phone=phone(0), id="r0")
    assert world.handle_group([first, outcome, other]) == [APPLIED] * 3
    assert world.publishes == [4, 2]
    assert world.read_statuses() == [("r0", "accepted"), ("r1", "accepted"), ("r0", "failed")]
    assert world.disk.write_count == 3  # and the payload of the message that failed is removed


def test_a_place_is_taken_once(world: GroupWorld) -> None:
    """The account has eight places in this partition: those of a group beyond them wait."""
    world.handle_group([*make_requests(10)])
    assert world.take_topics().count("send.main") == 8


def test_only_the_event_that_is_too_large_is_abandoned(
    world: GroupWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its group are committed one by one."""
    commit = world.store.commit

    async def refuse(changes: Sequence[Change]) -> None:
        if any(phone(1).encode() in key for key, _ in changes):
            raise RecordTooLarge("the row")
        await commit(changes)

    monkeypatch.setattr(world.store, "commit", refuse)
    assert world.handle_group([*make_requests(3)]) == [APPLIED, FAILURE, APPLIED]
    assert world.read_statuses() == [("r0", "accepted"), ("r1", "failed"), ("r2", "accepted")]
    assert world.metrics.internal_errors == ["too_large"]


def test_only_the_event_on_which_step_fails_is_abandoned(
    world: GroupWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a record that is no event is skipped."""

    def fail(row: Any, event: Event, **more: Any) -> Any:
        if event.phone == phone(1):
            raise ZeroDivisionError
        return step(row, event, **more)

    monkeypatch.setattr(decider_module, "step", fail)
    first, second, third = make_requests(3)
    dispositions = world.handle_group([first, b"\xff", second, third])
    assert dispositions == [APPLIED, EventDisposition.MALFORMED, FAILURE, APPLIED]
    assert world.disk.write_count == 1
    assert world.read_statuses() == [("r0", "accepted"), ("r1", "failed"), ("r2", "accepted")]


def test_a_commit_fits_into_a_batch_of_the_changelog(world: GroupWorld) -> None:
    """Large rows make several commits, and an event that is larger than all makes its own."""
    quarter = b'"%s"' % (b"x" * (MAX_COMMIT_BYTES // 4))
    log = [replace(event, content=quarter) for event in make_requests(7)]
    log.insert(5, replace(request("whole", 9), phone=phone(9), content=b'"%s"' % (quarter * 6)))
    assert world.handle_group(log) == [APPLIED] * 8
    assert world.publishes == [6, 4, 2, 4]


def test_a_group_that_comes_again_repeats_its_effects(world: GroupWorld) -> None:
    """Also when it is grouped in another way, and with newer events."""
    log = make_requests(4)
    world.handle_group(log[:3])
    published = world.disk.topics[:]
    world.disk.topics.clear()
    assert world.handle_group([log[1]], first=1) == [EventDisposition.REPUBLISHED]
    assert world.handle_group(log[2:], first=2) == [EventDisposition.REPUBLISHED, APPLIED]
    assert world.disk.topics[:4] == published[2:]
