"""A request of the kind `consent` at intake: the event of its recipient, or a rejection under its own id."""

import orjson
import pytest

from streams.dispatch.intake import Disposition
from streams.domain.phone import events
from streams.domain.phone.events import ConsentRequested
from tests.dispatch.test_intake import NOW_S, record
from tests.dispatch.test_intake_numbers import make_intake


def test_a_consent_becomes_the_event_of_its_recipient() -> None:
    """In any spelling of the number; without an id of its own, the record's position is the id."""
    body = {"type": "consent", "to": "012-345 6789", "consent": "opted_out"}
    disposition, (outgoing,) = make_intake("MY").handle(record(body), NOW_S)
    event = events.decode(outgoing.value or b"")
    assert disposition is Disposition.FORWARDED
    assert isinstance(event, ConsentRequested)
    assert (event.phone, event.consent) == ("+60123456789", "opted_out")
    assert (outgoing.key, event.request_id) == (b"+60123456789", "wa.outbound:3:17")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "+60123456789"}, "schema_violation"),
        ({"to": "+60123456789", "consent": "stop"}, "schema_violation"),
        ({"consent": "opted_out"}, "schema_violation"),
        ({"to": "12", "consent": "opted_out"}, "invalid_phone"),
    ],
)
def test_a_wrong_consent_is_rejected_under_its_own_id(fields: dict[str, str], code: str) -> None:
    """With a dead letter; the detail names the field."""
    body = {"type": "consent", "request_id": "crm-17", **fields}
    disposition, (letter, status) = make_intake("MY").handle(record(body), NOW_S)
    answer = orjson.loads(status.value or b"")
    assert disposition is Disposition.REJECTED
    assert letter.value == orjson.dumps(body)
    assert (answer["id"], answer["status"]) == ("crm-17", "rejected")
    assert answer["error"]["code"] == code
    assert answer["error"]["detail"].startswith(("consent: ", "to: "))
