"""The phone stage when something is wrong with the program itself: counted, logged, and it goes on."""

import asyncio
import logging

import orjson
import pytest
from msgspec.structs import replace

from streams.contract import dead_letter
from streams.dispatch.commits import decider as decider_module
from streams.dispatch.commits.decision import EventDisposition
from streams.dispatch.conversion import LogRecord
from streams.domain.phone.events import (
    ReceiptSeen,
    TimerFired,
)
from streams.domain.phone.lifecycle import IllegalTransition
from streams.domain.phone.state import State
from tests.support.stage_world import FAILED, NOW_S, PHONE, StageWorld, request

ILLEGAL = IllegalTransition("Outcome", State.SENT, State.FAILED)


@pytest.fixture
def world() -> StageWorld:
    return StageWorld()


@pytest.fixture
def illegal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decider_module, "step", lambda *_, **__: ILLEGAL)


@pytest.mark.usefixtures("illegal")
def test_an_illegal_transition_is_counted_and_logged(
    world: StageWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the event and the states, and no phone number; nothing is stored or published."""
    with caplog.at_level(logging.ERROR):
        assert world.handle(7, TimerFired(phone=PHONE, timer_version=1)) is EventDisposition.ILLEGAL
    assert world.metrics.illegal_transitions == 1
    assert "illegal transition at 0:7: Outcome: sent to failed" in caplog.text
    assert PHONE[1:] not in caplog.text
    assert (world.disk.rows, world.disk.topics) == ({}, [])


@pytest.mark.usefixtures("illegal")
def test_a_request_that_leads_to_an_illegal_transition_fails(world: StageWorld) -> None:
    """As when `step` raises, it gets `failed` with `internal_error`, and a dead letter."""
    assert world.handle(0, request("a")) is EventDisposition.ILLEGAL
    letter, status = world.disk.topics
    assert (letter.topic, letter.value) == ("dlq", b"{}")
    assert orjson.loads(status.value or b"")["error"]["code"] == "internal_error"


def test_the_stage_goes_on_after_an_illegal_transition(
    world: StageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next event of the same phone is applied."""
    with monkeypatch.context() as patch:
        patch.setattr(decider_module, "step", lambda *_, **__: ILLEGAL)
        world.handle(0, request("a"))
    world.take_topics()
    assert world.handle(1, request("b")) is EventDisposition.APPLIED
    assert world.take_topics() == ["status", "send.main"]


def test_only_the_request_that_was_accepted_names_its_template(world: StageWorld) -> None:
    """Also if it is published again after a crash. A repeat may name another template, which was not used."""
    for offset, template in ((0, "hello/en"), (0, "hello/en"), (1, "other/en"), (1, "other/en")):
        event = request("a", offset)
        world.handle(offset, replace(event, request=replace(event.request, template=template)))
    published = [orjson.loads(r.value or b"") for r in world.disk.topics if r.topic == "status"]
    assert len({status["event_id"] for status in published}) == 1
    assert [status.get("template") for status in published] == ["hello/en", "hello/en", None, None]


def test_a_published_journal_needs_no_payload(
    world: StageWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """After a crash the journal is published again, without the dead letter that was out already."""
    world.handle(0, request("a"))
    world.handle(1, FAILED)
    assert world.take_topics() == ["status", "send.main", "status", "dlq"]
    assert world.handle(1, FAILED) is EventDisposition.REPUBLISHED
    assert world.take_topics() == ["status"]
    assert world.metrics.missing_payloads == ["already_published"]
    assert caplog.text == ""


def test_a_journal_killed_before_its_publication_is_whole(world: StageWorld) -> None:
    """The payload is removed only after the effects, so the dead letter is published the second time."""
    world.handle(0, request("a"))
    world.take_topics()
    decision = world.stage._decider.decide(world.store, FAILED, LogRecord(1, None, NOW_S))
    asyncio.run(world.store.commit(decision.changes))
    assert world.handle(1, FAILED) is EventDisposition.REPUBLISHED
    assert world.take_topics() == ["status", "dlq"]
    assert world.metrics.missing_payloads == []


def test_a_dead_letter_without_payload_is_reported(
    world: StageWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """At the first publication the record must exist, so this is a bug. The dead letter says where the record is."""
    world.handle(0, request("a", 7))
    world.take_topics()
    world.lose_payloads()
    assert world.handle(1, FAILED) is EventDisposition.APPLIED
    _, letter = world.disk.topics
    info = dead_letter.parse(letter.key, letter.value, letter.headers).info
    assert (info.is_truncated, info.topic, info.offset) == (True, "wa.outbound", 7)
    assert world.take_topics() == ["status", "dlq"]
    assert world.metrics.missing_payloads == ["lost"]
    assert "no payload at 0:1: PublishDeadLetter" in caplog.text
    assert PHONE[1:] not in caplog.text


def test_a_dispatch_without_payload_is_reported_even_when_republished(world: StageWorld) -> None:
    """A payload outlives its dispatch: no crash explains that it is missing."""
    world.handle(0, request("a"))
    world.handle(1, request("b", 1))
    world.handle(2, FAILED)
    world.take_topics()
    world.lose_payloads()
    assert world.handle(2, FAILED) is EventDisposition.REPUBLISHED
    assert world.take_topics() == ["status", "phone"]
    assert world.metrics.missing_payloads == ["already_published", "lost"]


def test_a_receipt_of_a_failed_message_is_counted_and_logged(
    world: StageWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """The status was wrong; nothing follows it, and the log holds no phone number."""
    world.handle(0, request("a"))
    receipt = ReceiptSeen(
        phone=PHONE, id="a", account="main", whatsapp_id="3EB0", receipt="read", at_s=1.0
    )
    world.handle(1, FAILED)
    world.take_topics()
    assert world.handle(2, receipt) is EventDisposition.UNCHANGED
    assert world.take_topics() == []
    assert world.metrics.contradicting_receipts == 1
    assert "receipt read at 0:2: its message is failed" in caplog.text
    assert PHONE[1:] not in caplog.text
