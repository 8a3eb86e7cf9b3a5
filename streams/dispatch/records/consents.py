"""What was decided about marketing messages, as records: the list of all decisions, and the answer to a recipient.

The list (`wa.internal.consent`) is for people and their programs: nothing is decided by it. An answer is a request like
any other, on `wa.outbound`, so it has its statuses, its retries and its place in the order.
"""

import logging
from typing import Annotated, Protocol

import msgspec
import orjson
from msgspec import Meta

from streams.contract.timestamps import format_rfc3339
from streams.dispatch.publisher import OutgoingRecord
from streams.domain.consent.state import ConsentSource, ConsentStatus
from streams.domain.phone.effects import PublishConsent, RequestReply
from streams.domain.phone.state import Phone

log = logging.getLogger(__name__)


class ConsentRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last decision for one phone: a record of the list, keyed by the phone."""

    phone: str
    consent: ConsentStatus
    at: str  # RFC 3339
    source: ConsentSource
    account: str | None = None  # to which the person wrote
    request_id: Annotated[str, Meta(description="Of the operator's request.")] | None = None


_decoder = msgspec.json.Decoder(ConsentRecord)


def decode(value: bytes) -> ConsentRecord:
    """Decode the value of a record of the list.

    Raises:
        msgspec.DecodeError: the bytes are not such a record.
    """
    return _decoder.decode(value)


class ConsentMetrics(Protocol):
    """Where changes are counted."""

    def count_consent_change(self, status: ConsentStatus) -> None:
        """A recipient has opted out, or in again."""
        ...


def report_changes(row: Phone, metrics: ConsentMetrics) -> None:
    """Count and log a change that the event at this row has caused. Nothing of it names the recipient."""
    for effect in row.journal.effects:
        if isinstance(effect, PublishConsent) and effect.consent and effect.is_change:
            metrics.count_consent_change(effect.consent.status)
            log.info("a recipient has %s (%s)", effect.consent.status, effect.consent.source)


class ConsentRecords:
    """Knows the two topics."""

    def __init__(self, topic: str, outbound: str) -> None:
        self._topic = topic
        self._outbound = outbound

    def map_effect(self, phone: str, effect: PublishConsent | RequestReply) -> OutgoingRecord:
        """The record of the decision, or the request for the answer to the recipient."""
        if isinstance(effect, PublishConsent):
            return OutgoingRecord(self._topic, _encode(phone, effect), key=phone.encode())
        content = {"type": "text", "body": effect.text}
        request = {"id": effect.id, "to": phone, "content": content}
        # The key that callers are asked to use, so that requests to a recipient are in order.
        return OutgoingRecord(self._outbound, orjson.dumps(request), key=phone.encode())


def _encode(phone: str, effect: PublishConsent) -> bytes | None:
    consent = effect.consent
    if consent is None:
        return None
    record = ConsentRecord(
        phone=phone,
        consent=consent.status,
        at=format_rfc3339(consent.at_s),
        source=consent.source,
        account=consent.account,
        request_id=consent.request_id,
    )
    return orjson.dumps(msgspec.to_builtins(record))
