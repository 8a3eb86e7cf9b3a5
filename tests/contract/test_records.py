"""The records that wa-streams writes: status events, dead letters, accounts, received messages."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from streams.contract import account, dead_letter, inbound, status, timestamps
from streams.contract.account import AccountRecord, NewChatQuota
from streams.contract.dead_letter import DeadLetter, DeadLetterInfo, InvalidDeadLetter
from streams.contract.errors import ErrorInfo
from streams.contract.headers import Headers
from streams.contract.request import parse

FULL_EVENT = status.make(
    id="order-8841-shipped",
    status="queued",
    event_id_suffix="2",
    at_s=1_795_510_800.4129,
    to="+60123456789",
    account="sales-1",
    whatsapp_id="3EB0C767D82B0A0C1E2F",
    attempt=1,
    reason="retry",
    due_at_s=1_795_510_805.0,
    queue_position=0,
    error=ErrorInfo(code="server_error", class_="transient", title="Server error", detail="500"),
    batch_id="b-17",
    metadata=b'{"order":8841,"price":1.10}',
)
ACCOUNT = AccountRecord(
    account="main",
    state="linking",
    since="2026-11-24T09:00:00.000Z",
    qr="2@x",
    new_chat_quota=NewChatQuota(
        total=200, used=17, is_used_up=False, resets_at="2026-12-01T00:00:00.000Z"
    ),
)
INBOUND = inbound.make(
    account="main",
    from_="+60123456789",
    whatsapp_id="3EB0",
    type="chat",
    body="STOP",
    at="2026-11-24T09:00:00.000Z",
)
LETTER = DeadLetter(
    info=DeadLetterInfo(
        id="wa.outbound:3:4711",
        reason="recipient_not_on_whatsapp",
        error_class="permanent",
        message="The number is not on WhatsApp: né",
        attempts=1,
        first_failed_at="2026-11-24T09:00:00.000Z",
        last_failed_at="2026-11-24T09:00:01.000Z",
        topic="wa.outbound",
        partition=3,
        offset=4711,
        timestamp=1_795_510_800_000,
        outcome="not_sent",
        request_id="order-8841-shipped",
        replay_count=0,
        account="sales-1",
    ),
    key=b"k",
    value=b'{"to":"+60123456789","text":"hello"}',
    headers=(("traceparent", b"00-x"), ("null", None), ("ce_id", b"\xff")),
)


# -- status events


def test_a_status_event_in_full() -> None:
    """A full event has the words of the contract, times in milliseconds, and unchanged metadata."""
    encoded = status.encode(FULL_EVENT)
    assert json.loads(encoded) == {
        "event_id": "order-8841-shipped/queued/2",
        "id": "order-8841-shipped",
        "status": "queued",
        "at": "2026-11-24T09:00:00.412Z",
        "to": "+60123456789",
        "account": "sales-1",
        "whatsapp_id": "3EB0C767D82B0A0C1E2F",
        "attempt": 1,
        "reason": "retry",
        "due_at": "2026-11-24T09:00:05.000Z",
        "queue_position": 0,
        "error": {
            "code": "server_error",
            "class": "transient",
            "title": "Server error",
            "detail": "500",
        },
        "batch_id": "b-17",
        "metadata": {"order": 8841, "price": 1.1},
    }
    assert encoded.endswith(b'"metadata":{"order":8841,"price":1.10}}')
    assert status.decode(encoded) == FULL_EVENT


def test_a_status_event_omits_unknown_fields() -> None:
    """An event contains no nulls, no empty metadata and no attempt that was not made."""
    event = status.make(id="a", status="sent", event_id_suffix="1", at_s=0.0, to=None)
    assert json.loads(status.encode(event)) == {
        "event_id": "a/sent/1",
        "id": "a",
        "status": "sent",
        "at": "1970-01-01T00:00:00.000Z",
    }
    assert status.decode(status.encode(event)) == event


def test_a_status_event_is_a_cloudevent_in_binary_mode() -> None:
    """The headers are those of a CloudEvent, and the trace of the request."""
    trace = (("traceparent", b"00-a-b-01"),)
    assert status.build_headers(FULL_EVENT, trace) == (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"order-8841-shipped/queued/2"),
        ("ce_type", b"wa.message.queued"),
        ("ce_source", b"wa-streams"),
        ("ce_time", b"2026-11-24T09:00:00.412Z"),
        ("content-type", b"application/json"),
        *trace,
    )


def test_a_reader_ignores_fields_of_a_newer_version() -> None:
    """Unknown fields are ignored, because fields may be added to the contract."""
    newer = {**json.loads(status.encode(FULL_EVENT)), "colour": "red"}
    read = status.decode(json.dumps(newer).encode())
    assert replace(read, metadata=Raw()) == replace(FULL_EVENT, metadata=Raw())


def test_decoding_what_is_not_a_status_event_fails() -> None:
    """A reader gets an error, and never half of an event."""
    with pytest.raises(msgspec.DecodeError):
        status.decode(b'{"event_id":"a/lost/1","id":"a","status":"lost","at":"x"}')


def test_the_final_statuses_are_those_of_the_contract() -> None:
    """The final statuses are those of the contract; `sent` is not final, because `read` may follow."""
    final = [
        word
        for word in (
            *status.FINAL_STATUSES,
            "accepted",
            "queued",
            "sent",
            "delivered",
            "read",
            "played",
        )
        if status.make(id="a", status=word, event_id_suffix="1", at_s=0.0, to=None).is_final
    ]
    assert set(final) == {"failed", "rejected", "expired", "cancelled", "unknown"}


# -- times


@given(st.floats(0, timestamps.LATEST_S))
def test_a_time_survives_to_the_millisecond(epoch_s: float) -> None:
    """A time that is formatted and parsed keeps its milliseconds, and is never later."""
    assert 0 <= epoch_s - timestamps.parse_rfc3339(timestamps.format_rfc3339(epoch_s)) <= 0.0011


@pytest.mark.parametrize(("epoch_s", "text"), [(-1.0, "1970-01-01"), (1e18, "9999-12-31")])
def test_a_time_outside_rfc_3339_is_bounded(epoch_s: float, text: str) -> None:
    """A distant `send_at` and its retries must not end a worker."""
    assert timestamps.format_rfc3339(epoch_s).startswith(text)


def test_a_time_without_a_zone_is_rejected() -> None:
    """A time without a zone is ambiguous, so it is an error."""
    with pytest.raises(ValueError, match="no time zone"):
        timestamps.parse_rfc3339("2026-11-24T09:00:00")


# -- dead letters


def test_a_dead_letter_keeps_the_original_and_adds_headers() -> None:
    """The original headers come first, then those of the contract, then those of generic tools."""
    assert LETTER.build_record_headers() == [
        ("traceparent", b"00-x"),
        ("null", None),
        ("ce_id", b"\xff"),
        ("wa-dlq-id", b"wa.outbound:3:4711"),
        ("wa-dlq-reason", b"recipient_not_on_whatsapp"),
        ("wa-dlq-class", b"permanent"),
        ("wa-dlq-message", "The number is not on WhatsApp: né".encode()),
        ("wa-dlq-attempts", b"1"),
        ("wa-dlq-first-failed-at", b"2026-11-24T09:00:00.000Z"),
        ("wa-dlq-last-failed-at", b"2026-11-24T09:00:01.000Z"),
        ("wa-dlq-original-topic", b"wa.outbound"),
        ("wa-dlq-original-partition", b"3"),
        ("wa-dlq-original-offset", b"4711"),
        ("wa-dlq-original-timestamp", b"1795510800000"),
        ("wa-dlq-outcome", b"not_sent"),
        ("wa-request-id", b"order-8841-shipped"),
        ("wa-replay-count", b"0"),
        ("wa-dlq-account", b"sales-1"),
        ("__connect.errors.topic", b"wa.outbound"),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"4711"),
        ("__connect.errors.exception.class.name", b"recipient_not_on_whatsapp"),
        ("__connect.errors.exception.message", "The number is not on WhatsApp: né".encode()),
    ]


@given(st.lists(st.tuples(st.sampled_from(["a", "wa-dlq-id", "wa-replay-of"]), st.binary())))
def test_a_dead_letter_reads_back_as_it_was_written(original: Headers) -> None:
    """A dead letter can be read back, whatever headers the original had."""
    letter = replace(LETTER, headers=tuple(original))
    assert dead_letter.parse(letter.key, letter.value, letter.build_record_headers()) == letter


def test_the_replay_of_a_dead_letter_is_its_original() -> None:
    """A replay has the original bytes, the request id, and the id of its dead letter."""
    letter = replace(LETTER, headers=(("x", b"1"),))
    assert letter.build_replay_headers() == [
        ("x", b"1"),
        ("wa-replay-of", b"wa.outbound:3:4711"),
        ("wa-replay-count", b"1"),
        ("wa-request-id", b"order-8841-shipped"),
    ]


def test_a_forced_replay_is_marked_once() -> None:
    """The mark is for this replay: the dead letter of its message does not pass it on."""
    headers = LETTER.build_replay_headers(is_forced=True)
    assert parse.parse(LETTER.value, headers, max_bytes=1000).is_replay_forced
    again = replace(LETTER, headers=tuple(headers)).build_replay_headers()
    assert not parse.parse(LETTER.value, again, max_bytes=1000).is_replay_forced


def test_the_replay_of_a_replay_names_the_last_dead_letter_only() -> None:
    """Each dead letter revives the message once, and the original never changes."""
    again = replace(
        LETTER,
        info=replace(LETTER.info, id="wa.outbound:5:9", replay_count=1),
        headers=tuple(LETTER.build_replay_headers()),
    )
    read = dead_letter.parse(again.key, again.value, again.build_record_headers())
    replayed = read.build_replay_headers()
    assert [name for name, _ in replayed].count("wa-replay-of") == 1
    parsed = parse.parse(again.value, replayed[3:], max_bytes=1000)
    assert (parsed.id, parsed.replay_of, parsed.replay_count) == (
        "order-8841-shipped",
        "wa.outbound:5:9",
        2,
    )


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([], "has no header wa-dlq-id"),
        ([("wa-dlq-id", b"a:1:2")], "wa-dlq-reason"),
        ([("wa-dlq-id", None)], "wa-dlq-reason"),
        ([("wa-dlq-id", b"\xff")], "utf-8"),
        (
            [
                (name, b"?" if "partition" in name else v)
                for name, v in LETTER.build_record_headers()
            ],
            "wa-dlq-original-partition",
        ),
    ],
)
def test_a_record_that_is_not_a_dead_letter(headers: Headers, message: str) -> None:
    """For a record of another program, the error names the header that is wrong."""
    with pytest.raises(InvalidDeadLetter, match=message):
        dead_letter.parse(None, None, headers)


# -- accounts and messages received


def test_an_account_record_has_null_for_unknown_fields() -> None:
    """An account record has the form that the contract shows."""
    decoded = json.loads(account.encode(ACCOUNT))
    assert (decoded["state"], decoded["qr"], decoded["phone"], decoded["reason"]) == (
        "linking",
        "2@x",
        None,
        None,
    )
    assert account.decode(account.encode(ACCOUNT)) == ACCOUNT


def test_the_summary_of_an_account_is_not_private() -> None:
    """It explains the state; the number, the owner and the codes for linking are left out."""
    summary = account.summarize_account(ACCOUNT)
    assert summary["state"] == "linking"
    assert summary["new_chat_quota"]["used"] == 17
    assert not {"phone", "qr", "pairing_code", "owner"} & set(summary)


def test_a_received_message_names_its_writer_from() -> None:
    """The field is `from`, although Python reserves this word."""
    decoded = json.loads(inbound.encode(INBOUND))
    assert (decoded["from"], decoded["event_id"]) == ("+60123456789", "main/3EB0")
    assert inbound.decode(inbound.encode(INBOUND)) == INBOUND
    assert ("ce_type", b"wa.message.received") in inbound.build_headers(INBOUND)
