"""Intake reads numbers with the one reader of numbers."""

import orjson
import pytest

from streams.dispatch.intake import Intake
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.request_reader import RequestReader
from streams.dispatch.templates.library import TemplateLibrary
from tests.dispatch.test_intake import NOW_S, forwarded, record


def make_intake(region: str | None) -> Intake:
    record_mapper = RecordMapper(
        "wa.status",
        "wa.dlq",
        "phone",
        lambda account: f"send.{account}",
        "batch",
        "consent",
        "wa.outbound",
        "forget",
    )
    templates = TemplateLibrary(lambda: NOW_S)
    return Intake("phone", record_mapper, RequestReader(region, 1000, templates))


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
