"""The records that wa-streams writes: status events, accounts, received messages."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.contract import account, inbound, status, timestamps
from streams.contract.account import AccountRecord, NewChatQuota
from streams.contract.errors import ErrorInfo
from streams.contract.inbound import (
    InboundContact,
    InboundLocation,
    InboundMedia,
    InboundMessage,
    InboundPoll,
)

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
    template="shipped/en",
    metadata=b'{"order":8841,"price":1.1}',
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
INBOUND = InboundMessage(
    event_id="main/3A01",
    account="main",
    from_="+60123456789",
    chat_id="798765432106@lid",
    whatsapp_id="3A01",
    type="image",
    at="2026-11-24T09:00:00.000Z",
    name="Ann",
    caption="STOP",
    reply_to="3EB0",
    media=InboundMedia(
        url="file:///media/3A01.jpg", mime="image/jpeg", size=3, sha256="ab", filename="a.jpg"
    ),
    location=InboundLocation(latitude=1.0, longitude=2.0, name="Home"),
    contacts=(InboundContact(name="Bob", phones=("+60",)),),
    poll=InboundPoll(question="Which?", options=("a", "b")),
)


# -- status events


def test_a_status_event_in_full() -> None:
    """A full event has the words of the contract, times in milliseconds, and unchanged metadata."""
    encoded = status.encode(FULL_EVENT)
    assert json.loads(encoded) == {
        "event_id": "+60123456789/order-8841-shipped/queued/2",
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
        "template": "shipped/en",
        "metadata": {"order": 8841, "price": 1.1},
    }
    assert encoded.endswith(b'"metadata":{"order":8841,"price":1.1}}')
    assert status.decode(encoded) == FULL_EVENT
    assert status.decode(encoded).metadata["order"] == 8841


def test_a_status_event_omits_unknown_fields() -> None:
    """An event contains no nulls, no empty metadata and no attempt that was not made."""
    event = status.make(id="a", status="sent", event_id_suffix="1", at_s=0.0, to=None)
    assert json.loads(status.encode(event)) == {
        "event_id": "-/a/sent/1",
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
        ("ce_id", b"+60123456789/order-8841-shipped/queued/2"),
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
    assert replace(read, metadata={}) == replace(FULL_EVENT, metadata={})


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
    assert (decoded["from"], decoded["event_id"]) == ("+60123456789", "main/3A01")
    assert inbound.decode(inbound.encode(INBOUND)) == INBOUND
    assert ("ce_type", b"wa.message.received") in inbound.build_headers(INBOUND)


def test_the_key_of_a_received_message_is_its_chat() -> None:
    """A group comes before its writers, so that its order is kept; a hidden number gives way to the chat."""
    hidden = replace(INBOUND, from_=None)
    assert INBOUND.key == "+60123456789"
    assert hidden.key == "798765432106@lid"
    assert replace(INBOUND, group="1@g.us").key == replace(hidden, group="1@g.us").key == "1@g.us"
    assert json.loads(inbound.encode(hidden))["from"] is None
