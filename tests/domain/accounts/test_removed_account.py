"""An account that a person has removed: what waits only for it fails, and nothing else does."""

import pytest

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.requests import (
    AccountRequest,
    DrainReport,
    decode_report,
    decode_request,
    encode,
    report_key,
    request_key,
)
from streams.domain.accounts.routing import Availability, Capacity
from streams.domain.errors import Error
from streams.domain.phone.events import Deferred
from streams.domain.phone.scheduling.scheduler import Scheduler
from streams.domain.phone.state import Phone, Wait
from streams.testing.phone_world import PhoneWorld

REMOVED = Capacity(is_ready=False, free_slots=0, is_removed=True)
OTHER = Capacity(is_ready=True, free_slots=1)
IN_DOUBT = Deferred(error=Error("attempt_in_doubt"), in_doubt=True)


@pytest.fixture
def world() -> PhoneWorld:
    """`main` is down."""
    return PhoneWorld(accounts={"main": Capacity(is_ready=False, free_slots=0)})


def test_what_requires_it_fails(world: PhoneWorld) -> None:
    """It was accepted, so it is not rejected; its dead letter can be replayed."""
    world.submit("a", account="main")
    world.submit("b", account="main")
    world.accounts = {"main": REMOVED}
    world.fire_timer()
    assert world.statuses("a") == ["accepted", "queued", "failed"]
    assert [letter.error.code for letter in world.dead_letters()] == ["unknown_account"] * 2


def test_what_may_use_others_moves(world: PhoneWorld) -> None:
    """The conversation's account is gone."""
    world.submit("a")
    world.accounts = {"main": REMOVED, "other": OTHER}
    world.fire_timer()
    assert world.dispatched_ids() == ["a"]


def test_a_new_request_that_names_it_is_rejected(world: PhoneWorld) -> None:
    """There is no such account."""
    world.accounts = {"main": REMOVED, "other": OTHER}
    world.submit("a", account="main")
    assert world.statuses("a") == ["rejected"]


def test_what_is_in_doubt_there_ends_as_unknown(world: PhoneWorld) -> None:
    """It may have been sent. The recipient's next message does not wait for it."""
    world.accounts = {"main": OTHER}
    world.submit("a", account="main")
    world.conclude(IN_DOUBT)
    world.accounts = {"main": REMOVED, "other": OTHER}
    world.fire_timer()
    world.submit("b")
    assert world.dispatched_ids() == ["a", "b"]
    world.conclude(Deferred(error=Error("disconnected")))
    world.now_s += world.policy.unknown_after_s
    world.fire_timer()
    assert world.statuses("a")[-1] == "unknown"


def test_a_phone_that_waits_for_it_is_woken_once() -> None:
    """Its message fails. One in doubt waits on, without being woken again and again."""
    scheduler = Scheduler(max_in_flight=2)
    for phone, is_in_doubt in (("a", False), ("b", True)):
        wait = Wait(reason="no_account", account="main", is_in_doubt=is_in_doubt)
        scheduler.update(phone, Phone(phone=phone, timer_version=1, waits=(wait,)))
    assert scheduler.wake_phones(Availabilities({"main": Availability.DOWN})) == []
    woken = scheduler.wake_phones(Availabilities({"main": Availability.REMOVED}))
    assert [timer.phone for timer in woken] == ["a"]
    assert [
        timer.phone for timer in scheduler.wake_phones(Availabilities({"main": Availability.READY}))
    ] == ["b"]


def test_records_are_known_by_their_keys() -> None:
    """A record of another kind, or one that cannot be read, is neither."""
    request = AccountRequest(account="main", requested="removed", by="me", at_s=1.0)
    report = DrainReport(account="main", partition=3, in_flight=2, requested_at_s=1.0)
    assert decode_request(request_key("main"), encode(request)) == request
    assert decode_request(request_key("other"), encode(request)) is None
    assert decode_request(report_key("main", 3), encode(report)) is None
    assert decode_report(encode(report)) == report
    assert decode_report(encode(request)) is None
    assert decode_report(b"\xff") is None
