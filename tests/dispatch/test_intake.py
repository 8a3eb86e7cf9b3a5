"""Intake: what one record of `wa.outbound` leads to."""

from typing import Any

import orjson
import pytest

from streams.contract.record_size import measure
from streams.dispatch.intake import Disposition, Intake
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.request_reader import RequestReader
from streams.dispatch.templates.library import TemplateLibrary
from streams.domain.phone import events
from streams.domain.phone.events import RequestReceived, SourceRecord

NOW_S = 1_790_000_000.0
PNG = "iVBORw0KGgo="


def make_intake(region: str | None) -> Intake:
    """An intake that reads numbers without a country as those of this region."""
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


@pytest.fixture
def intake() -> Intake:
    return make_intake("MY")


def record(body: Any, **more: Any) -> SourceRecord:
    value = body if isinstance(body, bytes | None) else orjson.dumps(body)
    fields = {"topic": "wa.outbound", "partition": 3, "offset": 17, "key": b"k", **more}
    return SourceRecord(value=value, timestamp_ms=int(NOW_S * 1000), **fields)


def forwarded(outgoing: list[OutgoingRecord]) -> RequestReceived:
    (one,) = outgoing
    assert one.topic == "phone"
    event = events.decode(one.value or b"")
    assert isinstance(event, RequestReceived)
    assert one.key == event.phone.encode()
    return event


def test_a_request_goes_on_to_its_phone(intake: Intake) -> None:
    """The event has the number in E.164, everything that was requested, and the unchanged record."""
    source_record = record(
        {"id": "a", "to": "012-345 6789", "text": "hi", "metadata": {"n": 1}, "priority": "bulk"},
        headers=(("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),),
    )
    disposition, outgoing = intake.handle(source_record, NOW_S)
    event = forwarded(outgoing)
    assert disposition is Disposition.FORWARDED
    assert (event.phone, event.request.id, event.request.priority) == ("+60123456789", "a", "bulk")
    assert orjson.loads(event.request.metadata) == {"n": 1}
    assert orjson.loads(event.content) == {"type": "text", "body": "hi"}
    assert event.request.trace[0][0] == "traceparent"
    assert event.source_record == source_record


def test_without_an_id_the_position_of_the_record_is_the_id(intake: Intake) -> None:
    """The same record, read again, is then the same request."""
    _, outgoing = intake.handle(record({"to": "+60123456789", "text": "hi"}), NOW_S)
    assert forwarded(outgoing).request.id == "wa.outbound:3:17"


def test_a_ttl_counts_from_the_append(intake: Intake) -> None:
    """The time that a request spent in the topic counts, by the broker's clock; a caller's timestamp does not."""
    request = record({"to": "+60123456789", "text": "hi", "ttl_s": 60})
    _, outgoing = intake.handle(request, NOW_S + 99)
    assert forwarded(outgoing).request.expires_at_s == NOW_S + 99 + 60


def test_a_tombstone_is_ignored(intake: Intake) -> None:
    """There is no answer, because nothing was requested."""
    assert intake.handle(record(None), NOW_S) == (Disposition.TOMBSTONE, [])


def test_a_bad_request_is_answered_to_its_caller(intake: Intake) -> None:
    """The status contains what could be read; the dead letter is the original record."""
    bad = record(
        {"id": "a", "to": "+60123456789", "text": "", "metadata": {"n": 1}, "batch_id": "b"}
    )
    disposition, (letter, status) = intake.handle(bad, NOW_S)
    event = orjson.loads(status.value or b"")
    assert disposition is Disposition.REJECTED
    assert (letter.topic, letter.key, letter.value) == ("wa.dlq", b"k", bad.value)
    assert status.key == b"+60123456789"
    assert (event["id"], event["status"], event["to"]) == ("a", "rejected", "+60123456789")
    assert (event["metadata"], event["batch_id"]) == ({"n": 1}, "b")
    assert event["error"]["class"] == "invalid"
    assert event["event_id"] == "+60123456789/a/rejected/wa.outbound:3:17"


def test_without_a_readable_number_the_key_is_the_requests_own(intake: Intake) -> None:
    """In that case `to` is as it was in the request."""
    _, (letter, status) = intake.handle(record({"to": "call me", "text": "hi"}), NOW_S)
    event = orjson.loads(status.value or b"")
    assert (status.key, event["to"], event["error"]["code"]) == (b"k", "call me", "invalid_phone")
    assert event["event_id"] == "-/wa.outbound:3:17/rejected/wa.outbound:3:17"
    assert dict(letter.headers)["wa-dlq-reason"] == b"invalid_phone"


def test_the_same_record_is_answered_the_same(intake: Intake) -> None:
    """Read again after a crash, it gives the same event id and the same dead letter's id."""
    bad = record(b"no json")
    first, again = intake.handle(bad, NOW_S)[1], intake.handle(bad, NOW_S + 5)[1]
    name = orjson.loads(first[1].value or b"")["event_id"]
    assert orjson.loads(again[1].value or b"")["event_id"] == name
    ids = [dict(records[0].headers)["wa-dlq-id"] for records in (first, again)]
    assert ids == [b"wa.outbound:3:17"] * 2


def test_a_replay_keeps_the_id_of_the_original(intake: Intake) -> None:
    """A header names it, because the replay has another position in the topic."""
    headers = (
        ("wa-replay-of", b"wa.outbound:0:5"),
        ("wa-replay-count", b"2"),
        ("wa-replay-force", b"true"),
        ("wa-request-id", b"wa.outbound:0:5"),
    )
    _, outgoing = intake.handle(
        record({"to": "+60123456789", "text": "hi"}, headers=headers), NOW_S
    )
    info = forwarded(outgoing).request
    assert (info.id, info.replay_of, info.replay_count) == (
        "wa.outbound:0:5",
        "wa.outbound:0:5",
        2,
    )
    assert info.allow_duplicate, "a person insists"


def test_a_file_gets_its_type_and_its_name(intake: Intake) -> None:
    """The event has what the sender needs; the record stays as it was."""
    source_record = record({"to": "+60123456789", "content": {"type": "image", "data": PNG}})
    disposition, outgoing = intake.handle(source_record, NOW_S)
    event = forwarded(outgoing)
    assert disposition is Disposition.FORWARDED
    assert orjson.loads(event.content) == {
        "type": "image",
        "data": PNG,
        "mime": "image/png",
        "filename": "image.png",
    }
    assert event.source_record == source_record


def test_a_file_that_contradicts_its_kind_is_rejected(intake: Intake) -> None:
    """The caller gets the id, the field and what the file is; the dead letter is the record."""
    body = {"id": "a", "to": "012-345 6789", "content": {"type": "video", "data": PNG}}
    disposition, (letter, status) = intake.handle(record(body), NOW_S)
    event = orjson.loads(status.value or b"")
    assert disposition is Disposition.REJECTED
    assert (event["id"], event["to"]) == ("a", "+60123456789")
    assert (event["error"]["code"], event["error"]["class"]) == ("schema_violation", "invalid")
    assert event["error"]["detail"].startswith("content.data: is image/png")
    assert letter.value == orjson.dumps(body)


LIMIT = 1000
REQUEST = {"id": "a", "to": "+60123456789", "text": "hi"}
MIB = 1_048_576


@pytest.mark.parametrize(
    "fields",
    [
        {"body": REQUEST | {"metadata": {"a": "x" * 1000}}},
        {"body": REQUEST, "key": b"k" * 1001},
        {"body": REQUEST, "headers": (("", None),) * 100},
        {"body": REQUEST, "headers": (("a", b"x" * 1000),)},
        {"body": b"x" * 1001},
        {"body": REQUEST, "key": b"k" * 3 * MIB},
        {"body": REQUEST, "headers": (("a", b"x" * 3 * MIB),) * 2},
        {"body": REQUEST, "headers": (("name", b""),) * 300_000},
        {"body": REQUEST | {"text": "x" * 6 * MIB}, "key": b"k" * MIB},
        {"body": b"x" * 20 * MIB, "key": b"k" * 6 * MIB, "headers": (("a", b"x" * MIB),)},
        {"body": b"{" * 9 * MIB, "key": None},
    ],
    ids=range(11),
)
def test_whatever_follows_from_a_record_can_be_written(
    intake: Intake, fields: dict[str, Any]
) -> None:
    """A record of any size is answered by records that their topics take, and they say what was cut."""
    large = record(**fields)
    disposition, (letter, status) = intake.handle(large, NOW_S)
    assert disposition is Disposition.REJECTED
    headers = dict(letter.headers)
    assert measure(letter.key, letter.value, letter.headers) < 5 * MIB
    assert measure(status.key, status.value, status.headers) < 10_000
    event = orjson.loads(status.value or b"")
    assert event["error"]["code"] == (headers["wa-dlq-reason"] or b"").decode()
    is_cut = (letter.value, letter.key) != (large.value, large.key) or "a" not in headers
    assert is_cut or "truncated" not in str(list(headers))
    assert ("the dead letter holds only" in event["error"]["detail"]) == (
        "truncated" in str(list(headers))
    )
    if letter.value != large.value:
        assert headers["wa-dlq-truncated"] == str(len(large.value or b"")).encode()
        assert (large.value or b"").startswith(letter.value or b"")


def test_the_largest_request_passes_with_its_key_and_headers(intake: Intake) -> None:
    """The limit is exact, and counts what is stored with the request."""
    value = orjson.dumps(REQUEST)
    room = LIMIT - len(value) - 1 - 16 - 1
    fits = record(value, key=b"k" * 1, headers=(("h", b"x" * room),))
    assert intake.handle(fits, NOW_S)[0] is Disposition.FORWARDED
    too_large = record(value, key=b"k" * 2, headers=(("h", b"x" * room),))
    disposition, (letter, status) = intake.handle(too_large, NOW_S)
    event = orjson.loads(status.value or b"")
    assert (disposition, event["id"]) == (Disposition.REJECTED, "a")
    assert event["error"]["code"] == "record_too_large"
    assert event["error"]["detail"].endswith("WA_MAX_REQUEST_BYTES allows 1000")
    assert letter.value == value


def test_a_bug_in_intake_is_an_answer(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The record is rejected with `internal_error`, and the log names its position."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("streams.dispatch.request_reader.parse_record", fail)
    disposition, (letter, status) = intake.handle(record(REQUEST), NOW_S)
    assert disposition is Disposition.FAILED
    assert letter.value == orjson.dumps(REQUEST)
    assert orjson.loads(status.value or b"")["error"]["code"] == "internal_error"
    assert "intake failed on wa.outbound:3:17" in caplog.text


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.com/a.png", "media_url_not_allowed"),
        ("file:///etc/passwd", "media_url_not_allowed"),
        ("https://user:secret@example.com/a.png", "media_url_not_allowed"),
        ("http://127.0.0.1:8080/metrics", "media_url_not_allowed"),
        ("http://169.254.169.254/latest/meta-data", "media_url_not_allowed"),
        ("http://[::ffff:10.0.0.1]/", "media_url_not_allowed"),
        ("https:///a.png", "schema_violation"),
        ("https://example.com:99999/a.png", "schema_violation"),
        ("https://[::1/a.png", "schema_violation"),
        ("example.com/a.png", "schema_violation"),
    ],
)
def test_a_url_that_cannot_be_fetched_is_rejected_at_once(
    intake: Intake, url: str, code: str
) -> None:
    """What can be seen in it is not left to the sender; the detail does not repeat the URL."""
    content = {"type": "image", "url": url}
    disposition, (_, status) = intake.handle(
        record({"to": "+60123456789", "content": content}), NOW_S
    )
    assert disposition is Disposition.REJECTED
    error = orjson.loads(status.value or b"")["error"]
    assert (error["code"], error["class"]) == (code, "invalid")
    assert error["detail"].startswith("content.url: ")
    assert "secret" not in error["detail"]


def test_a_url_is_passed_on_to_the_sender(intake: Intake) -> None:
    """Nothing is fetched at acceptance."""
    content = {"type": "document", "url": "https://example.com/bill.pdf", "caption": "see"}
    _, outgoing = intake.handle(record({"to": "+60123456789", "content": content}), NOW_S)
    assert orjson.loads(forwarded(outgoing).content) == content
