"""Linking an account: the number that belongs to its name, and what a sender does about its link now. Pure.

A queue is never sent from another number than the one that the account was linked with first. So the first link
stores its number under the account's name; a page with another number is not used until a person confirms it. Two
accounts may not have one number: WhatsApp would see twice the pace and twice the caps. The one that got it
first keeps it.

Records of `wa.internal.accounts` (requests.py has the others):

    key                     value
    ---------------------   -----------------------------------------------------------------------------
    account `/number`       LinkedNumber: the number behind the account's name
    account `/link`         LinkRequest: a person waits at this moment to link the account
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from streams.domain.accounts.groups import decode_groups
from streams.domain.accounts.requests import AccountRequest, decode_report, decode_request

PAIRING_RETRY_S: Final = 20.0  # WhatsApp limits how often a code is requested
LOGOUT_RETRY_S: Final = 4.0


class LinkedNumber(msgspec.Struct, frozen=True, kw_only=True):
    """The account's number since then, by the broker's clock. `by`: the person who confirmed it; "": its first link."""

    account: str
    linked_phone: str
    at_s: float
    by: str = ""


class LinkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A person waits until then to link the account: by QR code, or by a code to type into this phone."""

    account: str
    link_until_s: float
    at_s: float
    by: str
    pairing_phone: str | None = None


class NumberVerdict(StrEnum):
    """What the number that a page reports means for the account."""

    OWN = "own"
    FIRST = "first"  # the account has none yet
    OTHER = "other_number"  # the account belongs to another number
    TAKEN = "number_in_use"  # another account has this number
    UNKNOWN = "own_number_unknown"  # the page does not tell it


class LinkAction(StrEnum):
    """What is to be done about the link now."""

    NOTHING = "nothing"
    STORE_NUMBER = "store_number"
    LOG_OUT = "log_out"
    REQUEST_PAIRING_CODE = "request_pairing_code"


class Instructions(msgspec.Struct, frozen=True):
    """What persons have requested for one account, and the numbers behind the names of all that are not removed."""

    request: AccountRequest | None = None
    link_request: LinkRequest | None = None
    numbers: Mapping[str, LinkedNumber] = {}


class LinkSituation(msgspec.Struct, frozen=True, kw_only=True):
    """The session as far as its link is concerned.

    `handled_at_s`: the time of the last link request that has got its code, or for which it was logged out. The last
    two are times of the broker's clock.
    """

    is_linked: bool
    is_ready: bool
    shows_code: bool  # a QR code or a pairing code
    has_pairing_code: bool
    verdict: NumberVerdict
    handled_at_s: float = 0.0
    pairing_requested_s: float = float("-inf")
    logged_out_s: float = float("-inf")  # the page was told to log out


def check_number(
    account: str, phone: str | None, numbers: Mapping[str, LinkedNumber]
) -> NumberVerdict:
    """What it means that the account's page reports this number."""
    if phone is None:
        return NumberVerdict.UNKNOWN
    own = numbers.get(account)
    if own is not None and own.linked_phone != phone:
        return NumberVerdict.OTHER
    if find_holder(account, phone, numbers) is not None:
        return NumberVerdict.TAKEN
    return NumberVerdict.FIRST if own is None else NumberVerdict.OWN


def find_holder(account: str, phone: str, numbers: Mapping[str, LinkedNumber]) -> str | None:
    """The other account that got this number before."""
    own = numbers.get(account)
    own_rank = (own.at_s, account) if own is not None and own.linked_phone == phone else None
    ranks = [
        (number.at_s, name)
        for name, number in numbers.items()
        if name != account and number.linked_phone == phone
    ]
    first = min(ranks, default=None)
    return first[1] if first is not None and (own_rank is None or first < own_rank) else None


def next_action(situation: LinkSituation, instructions: Instructions, now_s: float) -> LinkAction:
    """What the sender does now. A logout that a person requests is repeated until the page is not linked."""
    request, link_request = instructions.request, instructions.link_request
    if request is not None and request.requested == "logged_out":
        return _log_out(situation, now_s)
    if situation.is_ready and situation.verdict is NumberVerdict.FIRST:
        return LinkAction.STORE_NUMBER
    if link_request is None or now_s >= link_request.link_until_s:
        return LinkAction.NOTHING
    is_wrong = situation.verdict in (NumberVerdict.OTHER, NumberVerdict.TAKEN)
    if is_wrong and situation.handled_at_s < link_request.at_s:
        return _log_out(situation, now_s)
    needs_code = link_request.pairing_phone is not None and not situation.has_pairing_code
    may_request = now_s >= situation.pairing_requested_s + PAIRING_RETRY_S
    if situation.shows_code and not situation.is_linked and needs_code and may_request:
        return LinkAction.REQUEST_PAIRING_CODE
    return LinkAction.NOTHING


def _log_out(situation: LinkSituation, now_s: float) -> LinkAction:
    is_due = now_s >= situation.logged_out_s + LOGOUT_RETRY_S
    return LinkAction.LOG_OUT if situation.is_linked and is_due else LinkAction.NOTHING


_number_decoder = msgspec.json.Decoder(LinkedNumber)
_link_decoder = msgspec.json.Decoder(LinkRequest)


def number_key(account: str) -> bytes:
    """The key of an account's number."""
    return f"{account}/number".encode()


def link_key(account: str) -> bytes:
    """The key of an account's link request."""
    return f"{account}/link".encode()


def decode_number(key: bytes, value: bytes) -> LinkedNumber | None:
    """The number in this record; None: it is another record, or cannot be read."""
    try:
        number = _number_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return number if number_key(number.account) == key else None


def decode_link_request(key: bytes, value: bytes) -> LinkRequest | None:
    """The link request in this record; None: it is another record, or cannot be read."""
    try:
        request = _link_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return request if link_key(request.account) == key else None


def check_record(key: bytes, value: bytes) -> None:
    """Raises ValueError for a record of `wa.internal.accounts` that is of no kind."""
    decoders = (decode_request, decode_number, decode_link_request)
    is_report = decode_report(value) is not None or decode_groups(value) is not None
    if not is_report and not any(decode(key, value) for decode in decoders):
        raise ValueError("neither a request nor a report nor a number")


def read_instructions(account: str, records: Iterable[tuple[bytes, bytes]]) -> Instructions:
    """What the last records of each key say about this account. A removed account holds no number."""
    items = list(records)
    requests = [request for item in items if (request := decode_request(*item)) is not None]
    links = [link for item in items if (link := decode_link_request(*item)) is not None]
    removed = {request.account for request in requests if request.requested == "removed"}
    numbers = [number for item in items if (number := decode_number(*item)) is not None]
    return Instructions(
        request=next((each for each in requests if each.account == account), None),
        link_request=next((each for each in links if each.account == account), None),
        numbers={each.account: each for each in numbers if each.account not in removed},
    )
