"""The state of a sending account, on `wa.accounts` (compacted). Its key is the account's name."""

from typing import Annotated, Literal, TypeAlias

import msgspec
import orjson
from msgspec import Meta

from streams.contract.status import Timestamp

AccountState: TypeAlias = Literal[
    "starting",
    "linking",
    "syncing",
    "ready",
    "reconnecting",
    "restricted",
    "paused",
    "logged_out",
    "stopped",
]


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One account at one moment; what is not known is null."""

    account: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$(?!\n)")]
    state: Annotated[AccountState, Meta(title="AccountState", description="Only `ready` sends.")]
    since: Annotated[Timestamp, Meta(description="When this state began.")]
    phone: Annotated[str, Meta(description="The account's own number, E.164.")] | None = None
    reason: Annotated[str, Meta(description="Why it is in this state.")] | None = None
    until: Annotated[Timestamp, Meta(description="When a restriction ends, if known.")] | None = (
        None
    )
    qr: Annotated[str, Meta(description="Text of the QR code to be scanned.")] | None = None
    pairing_code: Annotated[str, Meta(description="To be typed into the phone.")] | None = None
    sent_last_minute: Annotated[int, Meta(ge=0)] = 0
    sent_today: Annotated[int, Meta(ge=0)] = 0
    free_at: (
        Annotated[
            Timestamp, Meta(description="Its pace lets nothing go before; null: it may send.")
        ]
        | None
    ) = None
    daily_cap: Annotated[int, Meta(ge=1, description="null: none")] | None = None
    degraded: Annotated[
        tuple[str, ...], Meta(description="What WhatsApp's page no longer offers.")
    ] = ()
    owner: Annotated[str, Meta(description="Who sends for it, `host:pid`.")] | None = None


_decoder = msgspec.json.Decoder(AccountRecord)


def encode(record: AccountRecord) -> bytes:
    """The record's value, nulls written out."""
    return orjson.dumps(msgspec.to_builtins(record))


def decode(value: bytes) -> AccountRecord:
    """The state in a record of `wa.accounts`.

    Raises:
        msgspec.DecodeError: the bytes are no such record.
    """
    return _decoder.decode(value)
