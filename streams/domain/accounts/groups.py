"""The groups of an account, as its sender has read them: a record of `wa.internal.accounts`. Pure.

The sender publishes the list when it changes, and again after a time: so a list tells how old it is, also when no
sender runs. A list on request would need a page at the moment of the question, and say no more.
"""

from typing import Final

import msgspec

REFRESH_S: Final = 600.0  # a list that has not changed is published again after this time
MAX_RECORD_BYTES: Final = 512 << 10


class AccountGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One group. `can_write`: None if WhatsApp's page does not know it yet."""

    id: str
    subject: str
    size: int
    can_write: bool | None = None


class GroupReport(msgspec.Struct, frozen=True, kw_only=True):
    """All groups that the account's page knew at `listed_at_s`; not `is_complete`: there are more."""

    account: str
    groups: tuple[AccountGroup, ...]
    listed_at_s: float
    is_complete: bool = True


_decoder = msgspec.json.Decoder(GroupReport)


def groups_key(account: str) -> bytes:
    """The key of the account's list. No account's name has a slash."""
    return f"{account}/groups".encode()


def encode_groups(report: GroupReport) -> bytes:
    """The record's value, with as many groups as fit."""
    data = msgspec.json.encode(report)
    while len(data) > MAX_RECORD_BYTES:
        kept = report.groups[: len(report.groups) * MAX_RECORD_BYTES // (len(data) + 1)]
        report = msgspec.structs.replace(report, groups=kept, is_complete=False)
        data = msgspec.json.encode(report)
    return data


def decode_groups(value: bytes) -> GroupReport | None:
    """The list in this record; None: it is another record, or cannot be read."""
    try:
        return _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_due(previous: GroupReport | None, report: GroupReport) -> bool:
    """Whether the list is to be published: it has changed, or the last one is old."""
    if previous is None or report.listed_at_s - previous.listed_at_s >= REFRESH_S:
        return True
    return (previous.groups, previous.is_complete) != (report.groups, report.is_complete)
