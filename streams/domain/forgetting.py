"""Who is to be forgotten where, and how far it is: records of `wa.internal.forget`. Pure.

    key                      value
    ----------------------   ---------------------------------------------------------------------------
    `report/` ref            ForgetReport: what the dispatcher has removed; a tombstone an hour after
    `account/` name `/` ref  ForgetInstruction to the sender of the account: the only record with a number
    the same key             ForgetAnswer, in place of the instruction; a tombstone 90 days after

A ref is a hash of the request and the number. The topic is compacted, so an instruction waits for a sender that is
away for however long. A field may be added with a default, and no field is renamed.
"""

import hashlib
from typing import Final, Literal, TypeAlias

import msgspec

from streams.domain.stored import Stored

# As long as a public topic may hold the recipient: what is built from the topics must leave it out.
ANSWER_KEPT_S: Final = 90 * 86_400.0
# `replaced`: a later request for the same recipient has taken over what was left to do.
ForgetState: TypeAlias = Literal["in_progress", "done", "replaced"]


class ForgetReport(Stored, frozen=True):
    """What was removed of one number. `unfinished`: messages with a sender, or in doubt."""

    request_id: str
    state: ForgetState
    messages: int = 0  # removed, the cancelled ones included
    cancelled: int = 0
    unfinished: int = 0
    consent: Literal["none", "removed", "kept_as_hash"] = "none"
    accounts: tuple[str, ...] = ()  # whose senders have an instruction
    other_numbers: int = 0  # of the same chat, each with a report of its own
    replaced_by: str = ""


class ForgetInstruction(Stored, frozen=True):
    """The sender is to forget this recipient. `chat_id`: WhatsApp's chat of it, if the dispatcher knows it.

    `before_offset`: only messages that were accepted before this event of the phone log; -1: it is not known.
    """

    account: str
    request_id: str
    phone: str
    chat_id: str | None = None
    before_offset: int = -1


class ForgetAnswer(Stored, frozen=True):
    """The sender has forgotten the recipient. `has_chat`: there was one in its page."""

    account: str
    request_id: str
    claims: int = 0
    files: int = 0
    has_chat: bool = False
    at_s: float = 0.0
    requested_at_s: float = 0.0  # when the instruction was written


ForgetRecord: TypeAlias = ForgetReport | ForgetInstruction | ForgetAnswer

_reports = msgspec.json.Decoder(ForgetReport)
_instructions = msgspec.json.Decoder(ForgetInstruction)
_answers = msgspec.json.Decoder(ForgetAnswer)


def report_key(request_id: str, phone: str) -> bytes:
    """The key of a report."""
    return f"report/{_make_ref(request_id, phone)}".encode()


def account_key(account: str, request_id: str, phone: str) -> bytes:
    """The key of an instruction to an account, and of its answer. No account's name has a slash."""
    return f"account/{account}/{_make_ref(request_id, phone)}".encode()


def to_report_key(account_key: bytes) -> bytes:
    """The key of the report to which an instruction or an answer with this key belongs."""
    return b"report/" + account_key.rpartition(b"/")[2]


def _make_ref(request_id: str, phone: str) -> str:
    return hashlib.sha256(f"{request_id}\0{phone}".encode(errors="replace")).hexdigest()[:32]


def encode(record: ForgetRecord) -> bytes:
    """The value of a record."""
    return msgspec.json.encode(record)


def decode(key: bytes, value: bytes) -> ForgetRecord | None:
    """The record; None: it is none of these."""
    try:
        if key.startswith(b"report/"):
            return _reports.decode(value)
        if b'"phone":' in value:
            return _instructions.decode(value)
        return _answers.decode(value) if key.startswith(b"account/") else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
