"""A dead letter: the original record on `wa.dlq`, byte for byte, and headers that say what became of it.

The original's headers come first and stay untouched; ours follow, `wa-dlq-id` first, so that the last
`wa-dlq-id` tells where they begin. Where a name stands in both, ours is the last and counts.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from streams.contract import replay
from streams.contract.errors import ErrorClass
from streams.contract.headers import Headers
from streams.contract.replay import ReplayInfo
from streams.contract.status import Timestamp

DeadLetterOutcome: TypeAlias = Literal["not_sent", "unknown"]

ID_HEADER: Final = "wa-dlq-id"
_HEADER_NAMES: Final = {
    "id": ID_HEADER,
    "reason": "wa-dlq-reason",
    "error_class": "wa-dlq-class",
    "message": "wa-dlq-message",
    "attempts": "wa-dlq-attempts",
    "first_failed_at": "wa-dlq-first-failed-at",
    "last_failed_at": "wa-dlq-last-failed-at",
    "topic": "wa-dlq-original-topic",
    "partition": "wa-dlq-original-partition",
    "offset": "wa-dlq-original-offset",
    "timestamp": "wa-dlq-original-timestamp",
    "outcome": "wa-dlq-outcome",
    "account": "wa-dlq-account",
    "request_id": replay.REQUEST_ID,
    "replay_count": replay.REPLAY_COUNT,
}
_CONNECT_PREFIX: Final = "__connect.errors."

_NonNegative = Annotated[int, Meta(ge=0)]


class InvalidDeadLetter(ValueError):
    """A record of `wa.dlq` that has not our headers; says which is missing or wrong."""


class DeadLetterInfo(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_HEADER_NAMES
):
    """What the headers say of the original record. Each is text in UTF-8."""

    id: Annotated[
        str, Meta(description="The dead letter's: topic:partition:offset of the original.")
    ]
    reason: Annotated[str, Meta(description="The error's code.")]
    error_class: Annotated[ErrorClass, Meta(title="ErrorClass")]
    message: Annotated[str, Meta(description="What went wrong, for people.")]
    attempts: Annotated[_NonNegative, Meta(description="How often it was tried.")]
    first_failed_at: Timestamp
    last_failed_at: Timestamp
    topic: str
    partition: _NonNegative
    offset: _NonNegative
    timestamp: Annotated[int, Meta(description="Kafka's, of the original record, in epoch ms.")]
    outcome: Annotated[
        DeadLetterOutcome,
        Meta(title="DeadLetterOutcome", description="`unknown`: it may have been sent."),
    ]
    request_id: Annotated[
        str, Meta(description="Under which the request was answered; a replay keeps it.")
    ]
    replay_count: Annotated[_NonNegative, Meta(description="How many replays led to it.")]
    account: Annotated[str, Meta(description="The sending account, if it came so far.")] | None = (
        None
    )


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: the original record, and what is said about it."""

    info: DeadLetterInfo
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()  # the original's

    def build_record_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers of its record on `wa.dlq`."""
        fields: dict[str, object] = msgspec.to_builtins(self.info)
        added = {**fields, **_build_connect_headers(self.info)}
        return [*self.headers, *((name, str(value).encode()) for name, value in added.items())]

    def build_replay_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers under which key and value go to `wa.outbound` again."""
        info = self.info
        replay_info = ReplayInfo(
            dead_letter_id=info.id, count=info.replay_count + 1, request_id=info.request_id
        )
        return replay.build_headers(self.headers, replay_info)


def parse(key: bytes | None, value: bytes | None, headers: Headers) -> DeadLetter:
    """The dead letter in a record of `wa.dlq`.

    Raises:
        NotADeadLetter: our headers are missing, or say what cannot be.
    """
    first_index = max((i for i, (name, _) in enumerate(headers) if name == ID_HEADER), default=None)
    if first_index is None:
        raise InvalidDeadLetter(f"it has no header {ID_HEADER}")
    try:
        fields = {name: bytes(value or b"").decode() for name, value in headers[first_index:]}
        info = msgspec.convert(fields, DeadLetterInfo, strict=False)
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InvalidDeadLetter(f"its headers are not ours: {error}") from error
    return DeadLetter(info=info, key=key, value=value, headers=tuple(headers[:first_index]))


def _build_connect_headers(info: DeadLetterInfo) -> dict[str, object]:
    """What Kafka UIs know: the headers of Kafka Connect's DeadLetterQueueReporter."""
    return {
        f"{_CONNECT_PREFIX}topic": info.topic,
        f"{_CONNECT_PREFIX}partition": info.partition,
        f"{_CONNECT_PREFIX}offset": info.offset,
        f"{_CONNECT_PREFIX}exception.class.name": info.reason,
        f"{_CONNECT_PREFIX}exception.message": info.message,
    }
