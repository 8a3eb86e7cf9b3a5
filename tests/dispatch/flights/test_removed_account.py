"""A dispatcher and what a person requests for an account."""

import asyncio
from typing import Any

import pytest

from streams.dispatch.accounts import Accounts
from streams.dispatch.flights.drain_reporter import DrainReporter
from streams.dispatch.flights.tracker import FlightTracker
from streams.domain.accounts.requests import (
    AccountRequest,
    DrainReport,
    RequestedState,
    decode_report,
    encode,
)
from streams.domain.accounts.routing import Availability
from streams.domain.phone.state import InFlight, Phone
from streams.testing.memory_table import Disk, InMemoryPublisher
from tests.dispatch.flights.flight_world import FlightWorld

NAME = b"main"


def request(requested: RequestedState, at_s: float = 5.0) -> bytes:
    """A person's request about `main`."""
    return encode(AccountRequest(account="main", requested=requested, by="me", at_s=at_s))


@pytest.fixture
def world() -> FlightWorld:
    """`main` is ready."""
    world = FlightWorld()
    world.set_account("main", "ready")
    return world


def get_availability(world: FlightWorld) -> Availability | None:
    """What the dispatcher takes `main` for."""
    return world.accounts.get_availabilities(world.now_s).get("main")


@pytest.mark.parametrize(
    ("requested", "availability"),
    [("active", Availability.READY), ("paused", Availability.DOWN), ("removed", Availability.REMOVED)],
)  # fmt: skip
def test_a_request_counts_whatever_the_sender_says(
    world: FlightWorld, requested: RequestedState, availability: Availability
) -> None:
    """Its sender repeats that it is ready."""
    world.accounts.apply_request(NAME, request(requested), 0.0)
    world.set_account("main", "ready")
    assert get_availability(world) is availability


def test_the_last_request_counts(world: FlightWorld) -> None:
    """A request that cannot be read does not undo one; a tombstone does."""
    world.accounts.apply_request(NAME, request("removed"), 0.0)
    world.accounts.apply_request(NAME, b"\xff", 0.0)
    assert get_availability(world) is Availability.REMOVED
    world.accounts.apply_request(NAME, None, 0.0)
    assert get_availability(world) is Availability.READY


def test_an_added_account_is_there_before_its_sender(world: FlightWorld) -> None:
    """Requests may name it."""
    added = AccountRequest(account="new", requested="active", by="me", at_s=5.0)
    world.accounts.apply_request(b"new", encode(added), 0.0)
    assert world.accounts.get_availabilities(world.now_s)["new"] is Availability.DOWN


def test_nothing_is_dispatched_to_a_paused_account(world: FlightWorld) -> None:
    """What waits goes when it is resumed."""
    world.accounts.apply_request(NAME, request("paused"), 0.0)
    world.submit("a")
    assert world.commands == []
    world.accounts.apply_request(NAME, request("active"), 0.0)
    asyncio.run(world.stage.publisher.publish(world.timer_service.collect_due_records()))
    world.run()
    assert [command.id for command in world.commands] == ["a"]


def test_its_dispatches_are_reported_until_it_is_drained() -> None:
    """Once for each change, for each partition that this process owns."""
    disk, accounts, flights = Disk(), Accounts(lambda: None), FlightTracker(lambda: 0.0)
    owned: Any = lambda: [0, 1]  # noqa: E731
    reporter = DrainReporter(accounts, flights, owned, InMemoryPublisher(disk), "requests")
    in_flight = InFlight(id="a", account="main", dispatch_number=1)
    flights.update(0, "+60", Phone(phone="+60", in_flight=in_flight))
    asyncio.run(reporter.run_once())
    assert disk.topics == []
    accounts.apply_request(NAME, request("removed"), 0.0)
    asyncio.run(reporter.run_once())
    asyncio.run(reporter.run_once())
    flights.update(0, "+60", None)
    asyncio.run(reporter.run_once())
    reports = [decode_report(record.value or b"") for record in disk.topics]
    assert reports == [
        DrainReport(account="main", partition=partition, in_flight=count, requested_at_s=5.0)
        for partition, count in ((0, 1), (1, 0), (0, 0))
    ]
