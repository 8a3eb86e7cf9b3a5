"""What the members of a batch contain: templates, and what becomes larger than the batch."""

from typing import Any

import orjson
import pytest

from streams.dispatch.commits.outbox import MAX_PENDING_BYTES
from streams.dispatch.intake import Disposition, Intake
from streams.domain.batch import events as batch_events
from streams.domain.batch.events import BatchOpened
from streams.domain.phone.events import BatchMember
from streams.testing.phone_world import PhoneWorld
from tests.dispatch.batches.intake_stage import (
    MIB,
    RecordingPublisher,
    make_batch,
    make_intake,
    of_topic,
    process,
    requests,
    text,
)


@pytest.fixture
def intake() -> Intake:
    return make_intake()


def of_template(number: int, name: str, params: dict[str, str]) -> dict[str, Any]:
    content = {"type": "template", "name": name, "params": params}
    return {"to": f"+6012345{number:04}", "content": content}


def test_each_member_is_rendered_with_its_own_parameters(intake: Intake) -> None:
    """The templates are read first, and what cannot be rendered concerns that member alone."""
    batch = make_batch(
        of_template(1, "hello", {"name": "Ada"}),
        of_template(2, "helo", {}),
        of_template(3, "hello", {}),
        of_template(4, "hello", {"name": "Grace"}),
    )
    disposition, records = process(intake, batch)
    assert disposition is Disposition.FANNED_OUT
    events_by_id = {event.request.id: event for event in requests(records)}
    refusals = {id_: event.refusal and event.refusal.code for id_, event in events_by_id.items()}
    assert refusals == {
        "b/0": None,
        "b/1": "unknown_template",
        "b/2": "missing_parameter",
        "b/3": None,
    }
    bodies = [orjson.loads(events_by_id[id_].content)["body"] for id_ in ("b/0", "b/3")]
    assert bodies == ["Hello Ada", "Hello Grace"]
    assert {event.request.category for event in requests(records) if not event.refusal} == {
        "marketing"
    }


def test_a_member_whose_template_is_unknown_is_rejected_where_its_row_is(intake: Intake) -> None:
    """Its dead letter is a single request, which can be replayed, and the batch counts it."""
    world = PhoneWorld(phone="+60123450001")
    _, records = process(intake, make_batch(of_template(1, "helo", {})))
    (event,) = requests(records)
    world.apply(event)
    (letter,) = world.dead_letters()
    assert (letter.dead_letter_id, letter.error.code) == (
        "wa.outbound:3:17/0",
        "unknown_template",
    )
    body = orjson.loads(event.source_record.value or b"")
    assert (body["id"], body["batch_id"]) == ("b/0", "b")
    assert event.request.members == (BatchMember(batch_id="b", index=0),)


def test_a_batch_that_becomes_large_is_published_in_pieces(intake: Intake) -> None:
    """A thousand members of a long template: not all are in memory at once, and the batch is opened last."""
    publisher = RecordingPublisher()
    params = {"name": "x" * 1000}
    members = [of_template(number, "long", params) for number in range(900)]
    _, records = process(intake, make_batch(*members), publisher)
    assert len(requests(records)) == 900
    assert sum(publisher.sizes) > 6 * MAX_PENDING_BYTES
    assert max(publisher.sizes) < MAX_PENDING_BYTES + MIB
    assert isinstance(batch_events.decode(records[-1].value or b""), BatchOpened)


def test_a_member_that_the_phone_log_does_not_take(intake: Intake) -> None:
    """It alone is rejected as too large; the batch is fanned out all the same."""
    batch = make_batch(text(1), text(2, text="x" * 5000))
    disposition, records = process(intake, batch, RecordingPublisher(limit=4000))
    assert disposition is Disposition.FANNED_OUT
    assert [event.request.id for event in requests(records)] == ["b/0"]
    codes = [
        orjson.loads(record.value or b"")["error"]["code"] for record in of_topic(records, "status")
    ]
    assert codes == ["record_too_large"]
