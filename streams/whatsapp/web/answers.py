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
    InDoubt,
    LateRefusal,
    MessageFound,
    MessageNotFound,
    NotBegun,
    NotSubmitted,
    Receipt,
    Received,
    ServerRefused,
    Submission,
    SubmitResult,
)
from streams.whatsapp.errors import AdapterError, PageFailure, PageLost, PageNavigated
from streams.whatsapp.incoming import IncomingHint

_NEW_CHATS_RESTRICTED = "new_chats_restricted"
_SESSION_CODES = frozenset({"not_logged_in", "disconnected", "account_restricted"})
# Codes of the adapter that the contract has too; any other code comes from wa-js.
_NOT_SUBMITTED_CODES = frozenset(
    {
        *_SESSION_CODES,
        "timeout_before_submit",
        "page_incomplete",
        "lookup_failed",
        "recipient_not_on_whatsapp",
        "not_in_group",
        "group_admins_only",
        "too_late_to_edit",
        "too_late_to_revoke",
        "content_refused",
        "media_rejected",
        "media_too_large",
        "media_upload_failed",
        _NEW_CHATS_RESTRICTED,
    }
)


def encode_submission(
    submission: Submission, submit_before_ms: float, upload_timeout_s: float = 0.0
) -> dict[str, object]:
    """The argument of the adapter's `submit`. The deadline is that of the page's monotonic clock."""
    return {
        "id": submission.whatsapp_id,
        "chat_id": submission.chat_id,
        "content": dict(submission.content),
        "reply_to": submission.reply_to,
        "submit_before_ms": submit_before_ms,
        "ack_timeout_ms": submission.ack_timeout_s * 1000,
        "upload_timeout_ms": upload_timeout_s * 1000,
        "is_new_chat_allowed": submission.is_new_chat_allowed,
        "after": submission.after,
        "after_timeout_ms": submission.after_timeout_s * 1000,
    }


def is_session_lost(error: AdapterError | PageFailure) -> bool:
    """Whether a call failed because the page or its connection was lost. A page that is only slow is not."""
    if isinstance(error, PageFailure):
        return isinstance(error, PageLost | PageNavigated)
    return error.code in _SESSION_CODES


def decode_submit_error(error: AdapterError) -> SubmitResult:
    """The result of a submit for which the adapter returned an error."""
    if error.server_code is not None:
        return ServerRefused(error.server_code, error.detail)
    if error.handed_over:
        code = error.code if error.code == _NEW_CHATS_RESTRICTED else "outcome_unknown"
        return InDoubt(code, str(error), error.until_s)
    if error.code == "not_begun":
        return NotBegun()
    if error.code in _NOT_SUBMITTED_CODES:
        return NotSubmitted(error.code, error.detail, error.until_s)
    # A TypeError is a fault of the page, and a reload may cure it. A code of wa-js is about the message.
    code = "page_crashed" if error.code == "page_error" else "content_refused"
    return NotSubmitted(code, str(error))


def decode_found(answer: Mapping[str, Any]) -> MessageFound | MessageNotFound:
    """What a look-up of a message has found."""
    if answer["ack"] is None:
        return MessageNotFound()
    return MessageFound(answer["ack"], answer["is_pending"], answer.get("server_code"))


def decode_event(event: Mapping[str, Any], now_s: float) -> Received | None:
    """The value of an event of the adapter's `listen`; None for an ack that was reported before.

    A receipt is as old as its report.
    """
    if event["kind"] == "hint":
        return IncomingHint(is_change=event["about"] == "changes")
    if event["kind"] == "refusal":
        return LateRefusal(event["id"], event["server_code"])
    if not event["is_new"]:
        return None
    return Receipt(event["id"], RECEIPT_KINDS_BY_ACK[event["ack"]], now_s)


def count_ack(counts: AckCounts, event: Mapping[str, Any]) -> AckCounts:
    """The counts with this event. Only receipts count: the page's receipt handler never has ack 1.

    Those of groups do not: of them only the model is read.
    """
    if event["kind"] != "ack" or event["ack"] < AckLevel.DELIVERED or event["is_group"]:
        return counts
    if event["source"] == "handler":
        return replace(counts, heard=counts.heard + 1)
    return replace(counts, read=counts.read + 1)
