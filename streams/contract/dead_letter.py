"""A dead letter: a record of `wa.dlq` with the original record, byte for byte, and headers that say what went wrong.

The original headers come first and are never changed. The added headers follow, beginning with `wa-dlq-id`, so
the last `wa-dlq-id` marks where they begin. If a name occurs twice, the added header is the last one and counts.

A record that is larger than the topic of dead letters takes is cut (`shorten`), and headers say so. It can still
be replayed, because the original stays at its position for as long as its topic keeps it.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from streams.contract import record_size, replay
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
    "full_value_size": "wa-dlq-truncated",
    "full_key_size": "wa-dlq-truncated-key",
    "full_header_count": "wa-dlq-truncated-headers",
}
_CONNECT_PREFIX: Final = "__connect.errors."
# Room for the added headers. Their longest text, the message, is in two of them.
_ADDED_HEADERS_BYTES: Final = 32_768

_NonNegative = Annotated[int, Meta(ge=0)]


class InvalidDeadLetter(ValueError):
    """A record of `wa.dlq` is not a dead letter. The message says which header is missing or wrong."""


class DeadLetterInfo(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_HEADER_NAMES
):
    """The added headers. Each one is text in UTF-8."""

    id: Annotated[
        str,
        Meta(
            description="The dead letter's id: topic:partition:offset of the original; "
            "of a member of a batch, with /index."
        ),
    ]
    reason: Annotated[str, Meta(description="The code of the error.")]
    error_class: Annotated[
        ErrorClass, Meta(title="ErrorClass", description="What wa-streams does about the error.")
    ]
    message: Annotated[str, Meta(description="What went wrong, as a text for people.")]
    attempts: Annotated[_NonNegative, Meta(description="How many attempts were made.")]
    first_failed_at: Annotated[Timestamp, Meta(description="When the first attempt failed.")]
    last_failed_at: Annotated[Timestamp, Meta(description="When the last attempt failed.")]
    topic: Annotated[str, Meta(description="The topic of the original record.")]
    partition: Annotated[_NonNegative, Meta(description="The partition of the original record.")]
    offset: Annotated[_NonNegative, Meta(description="The offset of the original record.")]
    timestamp: Annotated[
        int, Meta(description="Kafka's timestamp of the original record, in epoch milliseconds.")
    ]
    outcome: Annotated[
        DeadLetterOutcome,
        Meta(
            title="DeadLetterOutcome",
            description="`unknown` means that the message may have been sent.",
        ),
    ]
    request_id: Annotated[
        str, Meta(description="The id under which the request was answered. A replay keeps it.")
    ]
    replay_count: Annotated[
        _NonNegative, Meta(description="How many replays led to this dead letter.")
    ]
    account: Annotated[str, Meta(description="The sending account, if one was chosen.")] | None = (
        None
    )
    full_value_size: (
        Annotated[
            _NonNegative,
            Meta(
                description="Set if the value was cut: the length of the original value, in bytes."
            ),
        ]
        | None
    ) = None
    full_key_size: (
        Annotated[
            _NonNegative,
            Meta(description="Set if the key was cut: the length of the original key, in bytes."),
        ]
        | None
    ) = None
    full_header_count: (
        Annotated[
            _NonNegative,
            Meta(description="Set if headers were left out: how many headers the original had."),
        ]
        | None
    ) = None

    @property
    def is_truncated(self) -> bool:
        """Whether a part of the original record is missing in the dead letter."""
        sizes = (self.full_value_size, self.full_key_size, self.full_header_count)
        return any(size is not None for size in sizes)

    @property
    def member_index(self) -> int | None:
        """Which member of a batch the original is, if the record at its position is the whole batch."""
        place = f"{self.topic}:{self.partition}:{self.offset}/"
        index = self.id.removeprefix(place)
        return int(index) if index != self.id and index.isdecimal() and index.isascii() else None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """The original record and the added headers."""

    info: DeadLetterInfo
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()  # of the original record

    def shorten(self, max_bytes: int) -> "DeadLetter":
        """This dead letter, such that its record has at most `max_bytes` uncompressed, and says what was cut."""
        room = max(max_bytes - _ADDED_HEADERS_BYTES, 0)
        short = record_size.shorten(self.key, self.value, self.headers, room)
        info = msgspec.structs.replace(
            self.info,
            full_value_size=short.full_value_size,
            full_key_size=short.full_key_size,
            full_header_count=short.full_header_count,
        )
        return DeadLetter(info=info, key=short.key, value=short.value, headers=short.headers)

    def cut_value(self, max_bytes: int) -> "DeadLetter":
        """This dead letter with the first `max_bytes` of its value."""
        full_size = self.info.full_value_size or record_size.full_size(self.value)
        info = msgspec.structs.replace(self.info, full_value_size=full_size)
        short_value = record_size.cut(self.value, max_bytes)
        return DeadLetter(info=info, key=self.key, value=short_value, headers=self.headers)

    def cut_everything(self) -> "DeadLetter":
        """This dead letter without anything of the original: only the headers that were added."""
        info = msgspec.structs.replace(
            self.info,
            full_value_size=self.info.full_value_size or record_size.full_size(self.value),
            full_key_size=self.info.full_key_size or record_size.full_size(self.key),
            full_header_count=self.info.full_header_count or len(self.headers),
        )
        return DeadLetter(info=info, value=b"")

    def build_record_headers(self) -> list[tuple[str, bytes | None]]:
        """All headers of the record on `wa.dlq`."""
        fields: dict[str, object] = msgspec.to_builtins(self.info)
        added = {**fields, **_build_connect_headers(self.info)}
        return [*self.headers, *((name, str(value).encode()) for name, value in added.items())]

    def build_replay_headers(self, *, is_forced: bool = False) -> list[tuple[str, bytes | None]]:
        """The headers with which a replay publishes key and value to `wa.outbound`."""
        info = self.info
        replay_info = ReplayInfo(
            dead_letter_id=info.id,
            count=info.replay_count + 1,
            request_id=info.request_id,
            is_forced=is_forced,
        )
        return replay.build_headers(self.headers, replay_info)


def parse(key: bytes | None, value: bytes | None, headers: Headers) -> DeadLetter:
    """Read a record of `wa.dlq`.

    Raises:
        InvalidDeadLetter: the added headers are missing or not valid.
    """
    first_index = max((i for i, (name, _) in enumerate(headers) if name == ID_HEADER), default=None)
    if first_index is None:
        raise InvalidDeadLetter(f"it has no header {ID_HEADER}")
    try:
        fields = {name: bytes(value or b"").decode() for name, value in headers[first_index:]}
        info = msgspec.convert(fields, DeadLetterInfo, strict=False)
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InvalidDeadLetter(f"its headers are not valid: {error}") from error
    return DeadLetter(info=info, key=key, value=value, headers=tuple(headers[:first_index]))


def _build_connect_headers(info: DeadLetterInfo) -> dict[str, object]:
    """The headers of Kafka Connect's DeadLetterQueueReporter, which Kafka UIs show."""
    return {
        f"{_CONNECT_PREFIX}topic": info.topic,
        f"{_CONNECT_PREFIX}partition": info.partition,
        f"{_CONNECT_PREFIX}offset": info.offset,
        f"{_CONNECT_PREFIX}exception.class.name": info.reason,
        f"{_CONNECT_PREFIX}exception.message": info.message,
    }
