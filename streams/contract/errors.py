"""What can be wrong with a record of `wa.outbound`, and how an error looks on the wire. Only values.

Exception
├── Tombstone        the value is null: the record is ignored and counted
└── InvalidRequest   the record is answered with `rejected` and a dead letter
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from streams.contract.headers import TraceContext

# The codes of the contract that parsing a request can give.
InvalidCode: TypeAlias = Literal[
    "malformed_json", "schema_violation", "record_too_large", "media_url_not_allowed"
]
MAX_DETAIL_CHARACTERS: Final = 500  # it contains field names of the caller, which may be long
ErrorClass: TypeAlias = Literal[
    "invalid", "permanent", "transient", "throttled", "session", "restricted", "unknown"
]


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """An error in a status event."""

    code: Annotated[
        str, Meta(description="A code of the contract. A code never changes its meaning.")
    ]
    class_: Annotated[
        ErrorClass, Meta(title="ErrorClass", description="What wa-streams does about the error.")
    ]
    title: Annotated[str, Meta(description="What the code means.")]
    detail: Annotated[
        str,
        Meta(description="Details of this case. Begins with the field's name if a field is wrong."),
    ] = ""


class PartialRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What could be read of a request that is not valid: enough to answer its caller."""

    id: str | None = None
    to: str | None = None
    batch_id: str | None = None
    metadata: bytes = b""
    trace: TraceContext = ()
    replay_of: str | None = None
    replay_count: int = 0


class Tombstone(Exception):
    """The record has no value. It requests nothing, and it is not an error."""


class InvalidRequest(ValueError):
    """The record is not a valid request.

    `detail` begins with the name of the field, or with `the record`. It never repeats a text or a number of
    the request, so it may be logged. `partial` is what could be read.
    """

    def __init__(
        self, code: InvalidCode, detail: str, partial: PartialRequest | None = None
    ) -> None:
        self.code: InvalidCode = code
        self.detail = detail[:MAX_DETAIL_CHARACTERS]
        super().__init__(f"{code}: {self.detail}")
        self.partial = partial or PartialRequest()
