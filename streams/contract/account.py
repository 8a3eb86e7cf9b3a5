"""The state of a sending account: a record of `wa.accounts` (compacted), keyed by the account's name. No I/O."""

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import orjson
from msgspec import Meta

from streams.contract.status import Timestamp

HEARTBEAT_INTERVAL_S: Final = 10.0  # a sender repeats its record at this interval
MAX_HEARTBEAT_AGE_S: Final = (
    30.0  # an account without a record for longer is down, whatever it says
)

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


class NewChatQuota(msgspec.Struct, frozen=True, kw_only=True):
    """How many people who never wrote to the account it may write to."""

    total: Annotated[int, Meta(ge=0, description="The quota of this period.")]
    used: Annotated[int, Meta(ge=0, description="How much of it is used, as far as is known.")]
    is_used_up: Annotated[bool, Meta(description="WhatsApp refuses further new chats.")]
    resets_at: Annotated[Timestamp, Meta(description="When the next period begins.")] | None = None


class AppliedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has requested for the account."""

    requested: Annotated[
        Literal["active", "paused", "logged_out", "removed"],
        Meta(title="RequestedState", description="`active`: it was resumed, linked or added."),
    ]
    by: Annotated[str, Meta(description="Who requested it, and on which machine.")]
    at: Annotated[Timestamp, Meta(description="When it was requested.")]


class WarmUp(msgspec.Struct, frozen=True, kw_only=True):
    """The step of the warm-up ladder that holds now. Each limit is one of any 24 hours; null: none."""

    day: Annotated[int, Meta(ge=1, description="Days since the number was first linked, from 1.")]
    messages_per_day: Annotated[int, Meta(ge=1, description="The limit of messages.")] | None = None
    new_recipients_per_day: (
        Annotated[int, Meta(ge=1, description="The limit of recipients who had no message before.")]
        | None
    ) = None
    new_recipients_today: Annotated[
        int, Meta(ge=0, description="New recipients in the last 24 hours.")
    ] = 0
    next_step_at: Annotated[Timestamp, Meta(description="When the next step begins.")] | None = None


class SlowReturn(msgspec.Struct, frozen=True, kw_only=True):
    """After a restriction, the account sends at a part of its pace until `ends_at`."""

    messages_percent: Annotated[int, Meta(ge=1, le=100, description="Of the pace of all messages.")]
    new_chats_percent: Annotated[
        int, Meta(ge=1, le=100, description="Of the pace of messages to people who never wrote.")
    ]
    ends_at: Annotated[Timestamp, Meta(description="When the pace is normal again.")]


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one account at one moment. A field that is not known is null."""

    account: Annotated[
        str,
        Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$(?!\n)", description="The name of the account."),
    ]
    state: Annotated[
        AccountState,
        Meta(title="AccountState", description="An account sends only while it is `ready`."),
    ]
    since: Annotated[Timestamp, Meta(description="When this state began.")]
    phone: Annotated[str, Meta(description="The account's own number, E.164.")] | None = None
    linked_phone: (
        Annotated[
            str,
            Meta(
                description="The number of the account's first link, or that a person has confirmed, E.164. "
                "The account sends from no other one."
            ),
        ]
        | None
    ) = None
    request: (
        Annotated[
            AppliedRequest,
            Meta(
                description="The last request of a person; its sender acts on it since this record."
            ),
        ]
        | None
    ) = None
    reason: Annotated[str, Meta(description="Why it is in this state.")] | None = None
    until: (
        Annotated[
            Timestamp,
            Meta(description="When this state, or what `reason` names, ends, if this is known."),
        ]
        | None
    ) = None
    progress: (
        Annotated[
            int, Meta(ge=0, le=100, description="Percent of the synchronization that is done.")
        ]
        | None
    ) = None
    qr: Annotated[str, Meta(description="The text of the QR code to scan.")] | None = None
    pairing_code: Annotated[str, Meta(description="The code to type into the phone.")] | None = None
    sent_last_minute: Annotated[
        int, Meta(ge=0, description="Messages sent in the last 60 seconds.")
    ] = 0
    sent_today: Annotated[int, Meta(ge=0, description="Messages sent in the last 24 hours.")] = 0
    free_at: (
        Annotated[
            Timestamp,
            Meta(
                description="The account's pace lets nothing go before this time; null: it may send now."
            ),
        ]
        | None
    ) = None
    daily_cap: (
        Annotated[int, Meta(ge=1, description="Messages in any 24 hours; null: no cap.")] | None
    ) = None
    new_chats_allowed: Annotated[
        bool,
        Meta(
            description="Whether the account may write now to people who never wrote to it; other "
            "messages go while it is `ready`."
        ),
    ] = True
    time_lock_until: (
        Annotated[
            Timestamp, Meta(description="When WhatsApp's time lock on new chats ends, if known.")
        ]
        | None
    ) = None
    new_chat_quota: (
        Annotated[NewChatQuota, Meta(description="WhatsApp's quota of new chats; null: unknown.")]
        | None
    ) = None
    warm_up: (
        Annotated[
            WarmUp, Meta(description="The account's step of the warm-up; null: no limit by it.")
        ]
        | None
    ) = None
    slow_return: (
        Annotated[SlowReturn, Meta(description="What is left of a restriction; null: nothing.")]
        | None
    ) = None
    degraded: Annotated[
        tuple[str, ...], Meta(description="Functions that WhatsApp's page no longer offers.")
    ] = ()
    owner: (
        Annotated[
            str,
            Meta(
                description="The sender's process, `host:pid`; null: none sends for the account any more."
            ),
        ]
        | None
    ) = None


_decoder = msgspec.json.Decoder(AccountRecord)


def encode(record: AccountRecord) -> bytes:
    """The record's value. Nulls are written."""
    return orjson.dumps(msgspec.to_builtins(record))


def decode(value: bytes) -> AccountRecord:
    """Decode the value of a record of `wa.accounts`.

    Raises:
        msgspec.DecodeError: the bytes are not an account record.
    """
    return _decoder.decode(value)


# What a probe shows: what explains the state, without the codes for linking and without numbers.
_SUMMARY_FIELDS: Final = (
    "state",
    "since",
    "reason",
    "until",
    "progress",
    "free_at",
    "new_chats_allowed",
    "time_lock_until",
    "new_chat_quota",
    "warm_up",
    "slow_return",
    "degraded",
)


def summarize_account(record: AccountRecord) -> dict[str, Any]:
    """The fields that explain the state, as JSON values. They hold nothing that is private."""
    fields = msgspec.to_builtins(record)
    return {name: fields[name] for name in _SUMMARY_FIELDS}


# These states are a person's wish.
_REQUESTED_REASONS: Final = ("requested", "logout_requested")


def describe_account(record: AccountRecord) -> str:
    """The state in a few words: `syncing (40 %)`, `restricted: temporarily_banned until …`."""
    progress = "" if record.progress is None else f" ({record.progress} %)"
    reason = f": {record.reason}" if record.reason else ""
    if record.request is not None and record.reason in _REQUESTED_REASONS:
        reason += f" by {record.request.by}"
    until = f" until {record.until}" if record.until else ""
    return f"{record.state}{progress}{reason}{until}"
