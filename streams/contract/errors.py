"""What can be wrong with a record on `wa.outbound`, and how an error looks on the wire.

Exception
├── Tombstone        a null value: ignored, counted
└── InvalidRequest   answered with `rejected` and a dead letter; says what could still be read
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from streams.contract.headers import TraceContext

# The code of each is a word of the contract; `InvalidRequest` needs no others.
InvalidCode: TypeAlias = Literal[
    "malformed_json", "schema_violation", "unknown_template", "media_too_large"
]
MAX_DETAIL_CHARACTERS: Final = 500  # a field's name is the caller's, and may be long
ErrorClass: TypeAlias = Literal[
    "invalid", "permanent", "transient", "throttled", "session", "restricted", "unknown"
]


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """What went wrong, in a status event."""

    code: Annotated[
        str, Meta(description="A word of the contract's table; it never changes its meaning.")
    ]
    class_: Annotated[
        ErrorClass, Meta(title="ErrorClass", description="What wa-streams does about it.")
    ]
    title: Annotated[str, Meta(description="The code in plain words.")]
    detail: Annotated[
        str, Meta(description="What is particular to this case; names the field.")
    ] = ""


class PartialRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What could still be read of a request that is not valid: enough to tell its caller."""

    id: str | None = None
    to: str | None = None
    batch_id: str | None = None
    metadata: bytes = b""
    trace: TraceContext = ()
    replay_of: str | None = None
    replay_count: int = 0


class Tombstone(Exception):
    """The record has no value. It asks for nothing and is no mistake."""


class InvalidRequest(ValueError):
    """The record is no request of the contract.

    `detail` begins with the name of the field, or `the record`. It never repeats a text or a number of
    the request, so it may stand in a log.
    """

    def __init__(
        self, code: InvalidCode, detail: str, partial: PartialRequest | None = None
    ) -> None:
        self.code: InvalidCode = code
        self.detail = detail[:MAX_DETAIL_CHARACTERS]
        super().__init__(f"{code}: {self.detail}")
        self.partial = partial or PartialRequest()
