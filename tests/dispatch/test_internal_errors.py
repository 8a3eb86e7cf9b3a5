"""Events on which wa-streams itself fails: each ends in a state that a person sees, and none stops the rest."""

import asyncio
from typing import Any, cast

import orjson
import pytest
from msgspec.structs import replace

from streams.dispatch.commits import decider as decider_module
from streams.dispatch.commits.decision import EventDisposition
from streams.domain.errors import Error
from streams.domain.phone import events
from streams.domain.phone.events import (
    Deferred,
    Failed,
    Outcome,
    OutcomeUnknown,
    Sent,
    TimerFired,
)
from streams.runtime.broker.publisher import RecordTooLarge
from tests.support.stage_world import FAILED, NOW_S, PHONE, StageWorld, request


@pytest.fixture
def world() -> StageWorld:
    return StageWorld()


def outcomes(world: StageWorld) -> list[Outcome]:
    """The outcomes that the stage itself wrote to the phone log."""
    return [
        cast("Outcome", events.decode(record.value or b""))
        for record in world.disk.topics
        if record.topic == "phone"
    ]


def statuses(world: StageWorld) -> list[tuple[str, str]]:
    """Id and status of every status event."""
    found = [orjson.loads(r.value or b"") for r in world.disk.topics if r.topic == "status"]
    return [(event["id"], event["status"]) for event in found]


@pytest.mark.parametrize("cause", ["lost payload", "too large"])
def test_a_dispatch_that_no_sender_gets_ends_at_once(world: StageWorld, cause: str) -> None:
    """Its message fails and becomes a dead letter, and the recipient's next message goes."""
    world.handle(0, request("a"))
    world.handle(1, request("b", 1))
    if cause == "too large":
        world.publisher.refused_topics.add("send.main")
    else:
        world.lose_payloads()
    world.handle(2, FAILED)
    (outcome,) = outcomes(world)
    world.publisher.refused_topics.clear()
    world.handle(3, request("c", 3))
    world.disk.topics.clear()
    world.handle(4, outcome)
    code = {"lost payload": "internal_error", "too large": "record_too_large"}[cause]
    assert isinstance(outcome.result, Failed)
    assert (outcome.id, outcome.result.error.code) == ("b", code)
    assert statuses(world)[0] == ("b", "failed")
    assert sorted(world.take_topics()) == ["dlq", "send.main", "status"]


@pytest.mark.parametrize("cause", ["lost payload", "too large"])
def test_a_doubt_that_no_sender_can_end_is_unknown(world: StageWorld, cause: str) -> None:
    """The earlier attempt may have sent the message, so nobody can say that it failed."""
    world.handle(0, request("a"))
    doubt = Deferred(error=Error("attempt_in_doubt"), in_doubt=True)
    world.handle(1, replace(FAILED, result=doubt))
    if cause == "too large":
        world.publisher.refused_topics.add("send.main")
    else:
        world.lose_payloads()
    row = world.store.get_phone(PHONE)
    assert row is not None
    timer = TimerFired(phone=PHONE, timer_version=row.timer_version)
    world.handle(2, timer, NOW_S + 60)
    (outcome,) = outcomes(world)
    assert isinstance(outcome.result, OutcomeUnknown)
    world.disk.topics.clear()
    world.handle(3, outcome, NOW_S + 60)
    assert statuses(world) == [("a", "unknown")]
    [letter] = [dict(r.headers) for r in world.disk.topics if r.topic == "dlq"]
    assert letter["wa-dlq-outcome"] == b"unknown"


def break_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("+60123456789")

    monkeypatch.setattr(decider_module, "step", fail)


@pytest.mark.parametrize(
    ("result", "status", "outcome"),
    [
        (Sent(at_s=1.0), "sent", None),
        (Failed(error=Error("media_rejected")), "failed", b"not_sent"),
        (Deferred(error=Error("not_logged_in")), "failed", b"not_sent"),
        (Deferred(error=Error("attempt_in_doubt"), in_doubt=True), "unknown", b"unknown"),
        (OutcomeUnknown(at_s=1.0, error=Error("outcome_unknown")), "unknown", b"unknown"),
        (Failed(error=Error("outcome_unknown")), "unknown", b"unknown"),
    ],
)
def test_an_outcome_on_which_step_fails_ends_its_message(
    world: StageWorld,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    result: Any,
    status: str,
    outcome: bytes | None,
) -> None:
    """It ends as what is certainly true of it, and the recipient goes on with its next message."""
    world.handle(0, request("a"))
    world.handle(1, request("b", 1))
    world.disk.topics.clear()
    with monkeypatch.context() as patch:
        break_step(patch)
        assert world.handle(2, replace(FAILED, result=result)) is EventDisposition.FAILED
    assert statuses(world) == [("a", status)]
    letters = [dict(r.headers) for r in world.disk.topics if r.topic == "dlq"]
    assert [letter["wa-dlq-outcome"] for letter in letters] == ([outcome] if outcome else [])
    assert world.metrics.internal_errors == ["step"]
    assert "Outcome failed at 0:2 of the phone log (step)" in caplog.text
    world.disk.topics.clear()
    row = world.store.get_phone(PHONE)
    assert row is not None and row.timer_at_s == 1_000_000.0
    world.handle(3, TimerFired(phone=PHONE, timer_version=row.timer_version))
    assert world.take_topics() == ["send.main"]


@pytest.mark.parametrize("code", ["media_rejected", "outcome_unknown", "disconnected"])
def test_an_early_receipt_counts_although_step_fails(
    world: StageWorld, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """It proved that the message arrived, whatever its outcome says."""
    world.handle(0, request("a"))
    receipt = events.ReceiptSeen(
        phone=PHONE,
        id="a",
        account="main",
        whatsapp_id="3EB0",
        receipt="delivered",
        at_s=NOW_S,
    )
    world.handle(1, receipt)
    world.disk.topics.clear()
    break_step(monkeypatch)
    world.handle(2, replace(FAILED, result=Failed(error=Error(code))))
    assert statuses(world) == [("a", "sent")]


def test_a_timer_on_which_step_fails_ends_the_message_that_was_next(
    world: StageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that breaks the dispatch does not hold up those behind it."""
    world.handle(0, request("a"))
    for number, request_id in enumerate("bc"):
        world.handle(1 + number, request(request_id, 1 + number))
    with monkeypatch.context() as patch:
        break_step(patch)
        world.handle(3, replace(FAILED, result=Sent(at_s=1.0)))
        row = world.store.get_phone(PHONE)
        assert row is not None
        world.disk.topics.clear()
        world.handle(4, TimerFired(phone=PHONE, timer_version=row.timer_version))
    assert statuses(world) == [("b", "failed")]
    row = world.store.get_phone(PHONE)
    assert row is not None
    world.disk.topics.clear()
    world.handle(5, TimerFired(phone=PHONE, timer_version=row.timer_version))
    assert world.take_topics() == ["send.main"]


def test_a_repeat_on_which_step_fails_gets_no_status_that_is_not_true(
    world: StageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message of this id goes on, so it has not failed."""
    world.handle(0, request("a"))
    world.take_topics()
    break_step(monkeypatch)
    assert world.handle(1, request("a", 1)) is EventDisposition.FAILED
    assert world.take_topics() == []


def test_a_row_that_outgrows_the_changelog_is_answered(
    world: StageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event makes the stage raise: the message ends, or the event is skipped."""

    async def refuse(*_: Any) -> None:
        raise RecordTooLarge("the row")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "commit", refuse)
        assert world.handle(0, request("a")) is EventDisposition.FAILED
        assert statuses(world) == [("a", "failed")]
    world.handle(1, request("b", 1))
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "commit", refuse)
        assert world.handle(2, replace(FAILED, id="b")) is EventDisposition.FAILED
    assert world.metrics.internal_errors == ["too_large"] * 3


def test_an_error_that_has_no_name_is_counted(
    world: StageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails stops nothing, and a request is answered."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(world.store, "get_phone", fail)
    assert world.handle(1, FAILED) is EventDisposition.FAILED
    assert world.handle(2, request("b", 2)) is EventDisposition.FAILED
    assert statuses(world) == [("b", "failed")]
    assert world.metrics.internal_errors == ["unreadable"] * 2


def test_a_record_that_is_no_event_is_counted(world: StageWorld) -> None:
    """Anybody may write to the phone log."""
    for poison in (b"", b"\xff", None, b"x" * 100_000):
        disposition = asyncio.run(world.stage.handle(world.store, 5, poison, NOW_S))
        assert disposition is EventDisposition.MALFORMED
    assert world.metrics.internal_errors == ["malformed"] * 4
