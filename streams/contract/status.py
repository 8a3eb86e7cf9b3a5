"""A status event: what happened to a request. A record of `wa.status`, keyed by the phone. No I/O.

Delivery is at least once. The same fact always has the same `event_id`, so consumers can drop repeats.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import orjson
from msgspec import Meta

from streams.contract import cloudevents
from streams.contract.errors import ErrorInfo
from streams.contract.headers import TraceContext
from streams.contract.timestamps import format_rfc3339

Status: TypeAlias = Literal[
    "accepted",
    "queued",
    "sent",
    "delivered",
    "read",
    "played",
    "failed",
    "rejected",
    "expired",
    "cancelled",
    "unknown",
]
Reason: TypeAlias = Literal[
    "rate_limited",
    "scheduled",
    "quiet_hours",
    "retry",
    "no_account",
    "account_busy",
    "attempt_in_doubt",
]
FINAL_STATUSES: Final[frozenset[Status]] = frozenset(
    {"failed", "rejected", "expired", "cancelled", "unknown"}
)
EVENT_TYPE_PREFIX: Final = "wa.message."
NO_RECIPIENT: Final = "-"  # in the event id of a request whose number cannot be read

Timestamp = Annotated[
    str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})
]


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fact about one request."""

    event_id: Annotated[
        str,
        Meta(
            description="`<recipient>/<id>/<status>/<n>`. The same fact always has the same event id. "
            "The recipient is the E.164 number or the id of the group, or `-` if none can be read."
        ),
    ]
    id: Annotated[
        str, Meta(description="The id of the request. Another recipient may have the same id.")
    ]
    status: Annotated[Status, Meta(title="MessageStatus", description="What happened to it.")]
    at: Annotated[Timestamp, Meta(description="When it happened.")]
    to: (
        Annotated[
            str,
            Meta(
                description="E.164, or the id of the group, or the value from the request if it cannot be read."
            ),
        ]
        | None
    ) = None
    requested_to: (
        Annotated[
            str,
            Meta(
                description="The number in the request, in E.164, if WhatsApp's chat has another one, which is `to`."
            ),
        ]
        | None
    ) = None
    account: Annotated[str, Meta(description="The sending account.")] | None = None
    whatsapp_id: (
        Annotated[str, Meta(description="WhatsApp's id of the message, once it has one.")] | None
    ) = None
    attempt: Annotated[int, Meta(ge=1, description="How many attempts were made.")] | None = None
    reason: (
        Annotated[Reason, Meta(title="QueuedReason", description="Why the message waits.")] | None
    ) = None
    due_at: Annotated[Timestamp, Meta(description="When the message is examined again.")] | None = (
        None
    )
    queue_position: (
        Annotated[int, Meta(ge=0, description="Messages ahead of it for this phone.")] | None
    ) = None
    error: ErrorInfo | None = None
    batch_id: Annotated[str, Meta(description="The `batch_id` of the request.")] | None = None
    template: (
        Annotated[
            str,
            Meta(
                description="`name/language` of the template, on `accepted`, if the request names one."
            ),
        ]
        | None
    ) = None
    metadata: Annotated[
        dict[str, Any],
        Meta(description="The metadata of the request. Absent if the request has none."),
    ] = {}

    @property
    def is_final(self) -> bool:
        """Whether the status is final. After `sent`, nothing more is done either, but receipts may follow."""
        return self.status in FINAL_STATUSES


def make(
    *,
    id: str,
    status: Status,
    event_id_suffix: str,
    at_s: float,
    to: str | None,
    unreadable_to: str | None = None,
    requested_to: str | None = None,
    account: str | None = None,
    whatsapp_id: str | None = None,
    attempt: int = 0,
    reason: Reason | None = None,
    due_at_s: float = 0.0,
    queue_position: int | None = None,
    error: ErrorInfo | None = None,
    batch_id: str | None = None,
    metadata: bytes = b"",
    template: str | None = None,
) -> StatusEvent:
    """Make the event of a fact. Times are epoch seconds; `event_id_suffix` distinguishes facts of one status.

    `to` is the E.164 number; without one, `unreadable_to` is what the request has instead.
    An `attempt` of 0, a `due_at_s` of 0.0 and empty `metadata` (JSON) are omitted.
    """
    return StatusEvent(
        event_id=f"{to or NO_RECIPIENT}/{id}/{status}/{event_id_suffix}",
        id=id,
        status=status,
        at=format_rfc3339(at_s),
        to=to or unreadable_to,
        requested_to=requested_to,
        account=account,
        whatsapp_id=whatsapp_id,
        attempt=attempt or None,
        reason=reason,
        due_at=format_rfc3339(due_at_s) if due_at_s else None,
        queue_position=queue_position,
        error=error,
        batch_id=batch_id,
        template=template,
        metadata=msgspec.json.decode(metadata, type=dict[str, Any]) if metadata else {},
    )


def encode(event: StatusEvent) -> bytes:
    """The record's value. Fields that a subclass of the event adds are not part of it."""
    if type(event) is StatusEvent:
        return _encoder.encode(event)
    fields = msgspec.to_builtins(event)
    return orjson.dumps({name: fields[name] for name in _WIRE_NAMES if name in fields})


def build_headers(event: StatusEvent, trace: TraceContext = ()) -> tuple[tuple[str, bytes], ...]:
    """The record's headers: CloudEvents in binary mode, and the trace of the request."""
    event_type = EVENT_TYPE_PREFIX + event.status
    return (*cloudevents.build_binary_headers(event_type, event.event_id, event.at), *trace)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(StatusEvent)
_WIRE_NAMES: Final = StatusEvent.__struct_encode_fields__


def decode(value: bytes) -> StatusEvent:
    """Decode the value of a record of `wa.status`.

    Raises:
        msgspec.DecodeError: the bytes are not a status event.
    """
    return _decoder.decode(value)
