"""Intake reads numbers with the one reader of numbers."""

import orjson
import pytest

from streams.dispatch.intake import Disposition
from tests.dispatch.test_intake import NOW_S, forwarded, make_intake, record


@pytest.mark.parametrize(
    ("to", "phone"),
    [("60123456789", "+60123456789"), ("0060 12-345 6789", "+60123456789")],
)
def test_the_earlier_services_own_payload_is_accepted(to: str, phone: str) -> None:
    """It wrote numbers as digits alone."""
    _, outgoing = make_intake("MY").handle(record({"phoneNumber": to, "message": "hi"}), NOW_S)
    assert forwarded(outgoing).phone == phone


def test_a_number_of_two_people_is_refused_naming_both() -> None:
    """The caller sees what to write instead."""
    _, (_, status) = make_intake("DE").handle(record({"to": "491701234567", "text": "hi"}), NOW_S)
    error = orjson.loads(status.value or b"")["error"]
    assert error["code"] == "invalid_phone"
    assert error["detail"] == "to: could be +491701234567 or +49491701234567; write it with +"


def test_numbers_on_a_contacts_card_are_read_like_the_recipients() -> None:
    """A national number becomes that of its country; an impossible one is reported with its field."""
    intake = make_intake("MY")
    card = {"type": "contact", "name": "Ali", "phones": ["012-345 6789"]}
    _, outgoing = intake.handle(record({"to": "+60123456789", "content": card}), NOW_S)
    assert orjson.loads(forwarded(outgoing).content)["phones"] == ["+60123456789"]
    card["phones"] = ["+60123456789", "none"]
    disposition, (letter, _) = intake.handle(record({"to": "+60123456789", "content": card}), NOW_S)
    assert disposition is Disposition.REJECTED
    assert b"content.phones[1]" in (dict(letter.headers)["wa-dlq-message"] or b"")
