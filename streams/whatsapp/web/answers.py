"""Encodes a submission for the adapter in the page, and decodes the adapter's results.

Pure: it may use no page, no clock and no file. What is not certain becomes `InDoubt`, never "no".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streams.whatsapp.driver import (
    RECEIPT_KINDS_BY_ACK,
    AckCounts,
    AckLevel,
    IncomingMessage,
    InDoubt,
    NotSubmitted,
    Receipt,
    ServerRefused,
    Submission,
    SubmitResult,
)
from streams.whatsapp.errors import AdapterError

_NEW_CHATS_RESTRICTED = "new_chats_restricted"
# Codes of the adapter that the contract has too; any other code comes from wa-js.
_NOT_SUBMITTED_CODES = frozenset(
    {
        "timeout_before_submit",
        "not_logged_in",
        "disconnected",
        "account_restricted",
        "lookup_failed",
        "content_refused",
        "media_rejected",
        "media_upload_failed",
        _NEW_CHATS_RESTRICTED,
    }
)


def encode_submission(submission: Submission, upload_timeout_s: float = 0.0) -> dict[str, object]:
    """The argument of the adapter's `submit`."""
    return {
        "id": submission.whatsapp_id,
        "chat_id": submission.chat_id,
        "content": dict(submission.content),
        "reply_to": submission.reply_to,
        "submit_before_ms": submission.submit_before_s * 1000,
        "ack_timeout_ms": submission.ack_timeout_s * 1000,
        "upload_timeout_ms": upload_timeout_s * 1000,
        "is_new_chat_allowed": submission.is_new_chat_allowed,
    }


def decode_submit_error(error: AdapterError) -> SubmitResult:
    """The result of a submit for which the adapter returned an error."""
    if error.server_code is not None:
        return ServerRefused(error.server_code, error.detail)
    if error.handed_over:
        code = error.code if error.code == _NEW_CHATS_RESTRICTED else "outcome_unknown"
        return InDoubt(code, str(error), error.until_s)
    if error.code in _NOT_SUBMITTED_CODES:
        return NotSubmitted(error.code, error.detail, error.until_s)
    # A TypeError is a fault of the page, and a reload may cure it. A code of wa-js is about the message.
    code = "page_crashed" if error.code == "page_error" else "content_refused"
    return NotSubmitted(code, str(error))


def decode_event(event: Mapping[str, Any]) -> Receipt | IncomingMessage | None:
    """The value of an event of the adapter's `listen`; None for an ack that was reported before."""
    if event["kind"] == "received":
        return IncomingMessage(
            event["from"], event["id"], event["type"], event["body"], float(event["at_s"])
        )
    if not event["is_new"]:
        return None
    return Receipt(event["id"], RECEIPT_KINDS_BY_ACK[event["ack"]], event["at_s"])


def count_ack(counts: AckCounts, event: Mapping[str, Any]) -> AckCounts:
    """The counts with this event. Only receipts count: the page's receipt handler never has ack 1."""
    if event["kind"] != "ack" or event["ack"] < AckLevel.DELIVERED:
        return counts
    if event["source"] == "handler":
        return replace(counts, heard=counts.heard + 1)
    return replace(counts, read=counts.read + 1)
