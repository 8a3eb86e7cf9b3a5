"""A request as its caller writes it: the long form and the two short forms, in one struct. Decides nothing.

A field that is null counts as absent. An unknown field is ignored: callers may add fields of their own, and
an older wa-streams understands a newer caller.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import orjson
from msgspec import Meta

from streams.contract.errors import InvalidRequest
from streams.contract.request.content import Content, TextBody, WhatsAppId

Priority: TypeAlias = Literal["urgent", "normal", "bulk"]
Category: TypeAlias = Literal["transactional", "marketing"]

MAX_ID_CHARACTERS = 128
MAX_METADATA_BYTES = 4096
# Printable: no control characters, and none of Unicode's line breaks.
_ID_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$(?!\n)"
_ID_REGEX = re.compile(_ID_PATTERN)

_PhoneText = Annotated[str, Meta(min_length=1, max_length=128)]
RECORD_TYPE = Meta(description="The kind of request.")
_Timestamp = Annotated[datetime, Meta(tz=True)]


def _id_meta(description: str) -> Any:
    return Meta(
        description=description,
        # `is_id` checks this; its error message is easier to read.
        extra_json_schema={"minLength": 1, "maxLength": MAX_ID_CHARACTERS, "pattern": _ID_PATTERN},
    )


def is_id(value: object) -> bool:
    """Whether the value is an id: 1 to 128 printable characters."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_ID_CHARACTERS
        and bool(_ID_REGEX.match(value))
    )


def encode_metadata(value: Mapping[str, Any] | None) -> bytes:
    """The metadata as compact JSON; empty if there are none.

    Raises:
        InvalidRequest: they are too large, or hold a value that JSON does not have.
    """
    if value is None:
        return b""
    try:
        data = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise InvalidRequest("schema_violation", f"metadata: {error}") from error
    if len(data) > MAX_METADATA_BYTES:
        detail = f"metadata: has {len(data)} bytes; at most {MAX_METADATA_BYTES} are allowed"
        raise InvalidRequest("schema_violation", detail)
    return data


class RequestForm(msgspec.Struct, frozen=True, kw_only=True):
    """A request for one message. Unknown fields are ignored. A field that is null counts as absent."""

    id: (
        Annotated[
            str,
            _id_meta(
                "The caller's idempotency key, per recipient: an id leads to at most one message to each. "
                "If it is absent, the header ce_id is used, else the record's topic:partition:offset."
            ),
        ]
        | None
    ) = None
    to: (
        Annotated[
            _PhoneText,
            Meta(
                description="The recipient's phone number, in any usual notation, or the id of a group (`…@g.us`)."
            ),
        ]
        | None
    ) = None
    phone_number: Annotated[_PhoneText, Meta(description="The same as `to`.")] | None = (
        msgspec.field(default=None, name="phoneNumber")
    )
    content: Content | None = None
    text: Annotated[TextBody, Meta(description="Short form of a content of type text.")] | None = (
        None
    )
    message: Annotated[TextBody, Meta(description="The same as `text`.")] | None = None
    priority: (
        Annotated[
            Priority,
            Meta(
                title="Priority",
                description="urgent overtakes everything that is waiting; bulk yields and is never starved.",
            ),
        ]
        | None
    ) = None
    category: (
        Annotated[
            Category,
            Meta(
                title="Category",
                description="Quiet hours hold back marketing, and an opt-out rejects it. Default: transactional.",
            ),
        ]
        | None
    ) = None
    send_at: (
        Annotated[
            _Timestamp, Meta(description="Do not send before this time; RFC 3339 with a time zone.")
        ]
        | None
    ) = None
    expires_at: (
        Annotated[
            _Timestamp,
            Meta(description="Do not send after this time; RFC 3339 with a time zone."),
        ]
        | None
    ) = None
    ttl_s: (
        Annotated[
            float,
            Meta(
                gt=0,
                le=31_622_400,
                description="Alternative to expires_at: seconds from send_at, else from the record's time.",
            ),
        ]
        | None
    ) = None
    account: (
        Annotated[
            str,
            Meta(
                pattern=r"^[a-z0-9][a-z0-9-]{0,31}$(?!\n)", description="Pins the sending account."
            ),
        ]
        | None
    ) = None
    reply_to: (
        Annotated[WhatsAppId, Meta(description="The WhatsApp id of the message it replies to.")]
        | None
    ) = None
    batch_id: (
        Annotated[str, _id_meta("The caller's name for messages that belong together.")] | None
    ) = None
    metadata: (
        Annotated[
            dict[str, Any],
            Meta(description="Echoed in every status event. At most 4 KiB as compact JSON."),
        ]
        | None
    ) = None
