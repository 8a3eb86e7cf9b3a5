"""What a person has requested for an account, and how far its draining is: records of `wa.internal.accounts`. Pure.

    key                     value
    ---------------------   -----------------------------------------------------------------------------
    account                 AccountRequest: the last request; it survives every restart
    account `/` partition   DrainReport: what a removed account still has in flight in a partition
    account `/groups`       GroupReport: the groups of the account (groups.py)

linking.py has two more kinds. The topic is compacted. A field may be added with a default, and no field is renamed.
"""

from typing import Literal, TypeAlias

import msgspec

# active: as its sender says; paused: nothing is dispatched to it; logged_out: neither, and its page is not linked;
# removed: there is no such account.
RequestedState: TypeAlias = Literal["active", "paused", "logged_out", "removed"]


class AccountRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A person's last request. `at_s` is the broker's time."""

    account: str
    requested: RequestedState
    by: str
    at_s: float


class DrainReport(msgspec.Struct, frozen=True, kw_only=True):
    """How many dispatches of a partition the account has, since the request of this time."""

    account: str
    partition: int
    in_flight: int
    requested_at_s: float


_request_decoder = msgspec.json.Decoder(AccountRequest)
_report_decoder = msgspec.json.Decoder(DrainReport)


def request_key(account: str) -> bytes:
    """The key of the account's request."""
    return account.encode()


def report_key(account: str, partition: int) -> bytes:
    """The key of a report. No account's name has a slash."""
    return f"{account}/{partition}".encode()


def encode(record: msgspec.Struct) -> bytes:
    """The value of a record of this topic, of any kind."""
    return msgspec.json.encode(record)


def decode_request(key: bytes, value: bytes) -> AccountRequest | None:
    """The request in this record; None: it is another record, or cannot be read."""
    try:
        request = _request_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return request if request_key(request.account) == key else None


def decode_report(value: bytes) -> DrainReport | None:
    """The report in this record; None: it is another record, or cannot be read."""
    try:
        return _report_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
