"""What an endpoint gets of a record: the body and the headers of the Standard Webhooks specification. No I/O.

    {"type": "wa.message.delivered", "timestamp": "…", "data": { the record }}

The `webhook-id` follows from the event's own id. So each repeat of an event has the same one, also when it is read
again from Kafka, and a receiver that remembers ids takes each event once.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, NamedTuple

import orjson
from standardwebhooks.webhooks import Webhook

from streams.contract import inbound, status

TEST_TYPE: Final = "wa.test"
_NO_RECIPIENT: Final = "-"


class Event(NamedTuple):
    """An event as an endpoint gets it. Those of one recipient are delivered in their order."""

    id: str
    type: str
    recipient: str
    body: bytes


def read_event(topic: str, value: bytes) -> Event:
    """The event of a record of `wa.status` or `wa.inbound`; `topic` is the name without a prefix.

    Raises:
        ValueError: the bytes are not one of our records, or not one that an endpoint could read.
    """
    value.decode()  # msgspec does not look at the text of unknown fields, which are copied
    try:
        return _read_event(topic, value)
    except RecursionError as error:
        raise ValueError("the record is nested too deeply") from error


def _read_event(topic: str, value: bytes) -> Event:
    if topic == "status":
        event = status.decode(value)
        event_type, event_id, at = status.EVENT_TYPE_PREFIX + event.status, event.event_id, event.at
        recipient = event.to or _NO_RECIPIENT
    else:
        message = inbound.decode(value)
        event_type, event_id, at = inbound.EVENT_TYPE, message.event_id, message.at
        recipient = message.key
    body = {"type": event_type, "timestamp": at, "data": orjson.Fragment(value)}
    return Event(make_webhook_id(topic, event_id), event_type, recipient, orjson.dumps(body))


def make_test_event(at: str) -> Event:
    """An event without a message, to see whether an endpoint takes it. `at`: RFC 3339."""
    body = {"type": TEST_TYPE, "timestamp": at, "data": {}}
    return Event(make_webhook_id("test", at), TEST_TYPE, _NO_RECIPIENT, orjson.dumps(body))


def make_webhook_id(topic: str, event_id: str) -> str:
    """An id without the number that an event id contains: servers log this header."""
    return f"msg_{sha256(f'{topic}/{event_id}'.encode()).hexdigest()[:32]}"


def build_headers(
    signers: Sequence[Webhook], webhook_id: str, body: bytes, now_s: float
) -> dict[str, str]:
    """The headers of one try. Each secret signs, so that a receiver may replace its own at any time."""
    now = datetime.fromtimestamp(int(now_s), UTC)
    signatures = [signer.sign(webhook_id, now, body.decode()) for signer in signers]
    return {
        "content-type": "application/json",
        "user-agent": "wa-streams",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now_s)),
        "webhook-signature": " ".join(signatures),
    }
