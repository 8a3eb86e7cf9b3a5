"""Forgetting a recipient: the events of it, and what is stored until it is done and for a while after.

While it goes on, the row holds a `Forgetting`. After it, the row holds a `Forgotten` for `GRACE_S`, and what is left of
each message that ended shortly before: a hash of its id, and its last status. A record that is read twice after a
crash finds it, so nothing that was sent is sent again. Then the sweep removes both. What happens is decided in
handlers/forgetting.py.

An opt-out that is to be kept is stored under a hash of the number: whoever has the number finds it, and nobody else
reads the number from it. Numbers are few, so a hash without a secret key could be tried out.
"""

import hashlib
import hmac
from typing import Final

from streams.domain.consent.state import Consent
from streams.domain.phone.values.source_record import SourceRecord
from streams.domain.stored import Stored

GRACE_S: Final = 3600.0
# What is left of a message has this before its hash. No request's id begins with it, and it is before all of them.
REMAINDER_PREFIX: Final = "\x1f"
FIRST_ID: Final = "\x1f~"  # before every id of a request, and behind all remainders


class ForgetRequested(Stored, frozen=True, tag="forget_requested"):
    """A person wants this recipient forgotten. `path`: the other numbers of its chat that are forgotten too."""

    phone: str
    request_id: str
    source_record: SourceRecord
    keep_opt_out: bool = False
    trace: tuple[tuple[str, bytes], ...] = ()
    path: tuple[str, ...] = ()


class ForgetContinued(Stored, frozen=True, tag="forget_continued"):
    """More of the recipient is to be forgotten than one event does."""

    phone: str


class Forgetting(Stored, frozen=True):
    """How far it is. Only messages that were accepted before `before_offset` are forgotten."""

    request: ForgetRequested
    before_offset: int
    is_cancelled: bool = False  # everything that waited is
    after: str = FIRST_ID  # up to this id, all messages were looked at
    is_searched: bool = False  # all were
    unfinished_ids: tuple[str, ...] = ()  # with a sender, or in doubt: forgotten when they end
    cancelled_count: int = 0
    message_count: int = 0
    replaced_ids: tuple[str, ...] = ()  # earlier requests that this one has taken over


class Forgotten(Stored, frozen=True):
    """The recipient was forgotten. `request_ids`: the requests whose reports are removed with this."""

    at_s: float
    request_ids: tuple[str, ...]


class KeptOptOut(Stored, frozen=True):
    """The opt-out of a forgotten recipient, under a hash of its number; None: it is kept no longer."""

    key: str
    consent: Consent | None


def remainder_id(phone: str, request_id: str) -> str:
    """The id under which is stored what is left of a forgotten message."""
    digest = hashlib.sha256(f"{phone}\0{request_id}".encode(errors="replace")).hexdigest()
    return REMAINDER_PREFIX + digest[:32]


def opt_out_key(secret: bytes, phone: str) -> str:
    """The key of a kept opt-out."""
    return hmac.new(secret, b"opt-out\0" + phone.encode(), hashlib.sha256).hexdigest()
