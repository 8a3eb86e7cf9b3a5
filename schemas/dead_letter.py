"""A dead letter: the original record on `wa.dlq`, byte for byte, and headers that say what became of it.

The original's headers come first and stay untouched; ours follow, `wa-dlq-id` first, so that the last
`wa-dlq-id` tells where they begin. Where a name stands in both, ours is the last and counts.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from schemas import replay
from schemas.errors import ErrorClass
from schemas.headers import Headers
from schemas.replay import Replay
from schemas.status import Time

Outcome: TypeAlias = Literal["not_sent", "unknown"]

ID: Final = "wa-dlq-id"
_NAMES: Final = {
    "id": ID,
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
    "replay_count": replay.COUNT,
}
_CONNECT: Final = "__connect.errors."

_AtLeast0 = Annotated[int, Meta(ge=0)]


class NotADeadLetter(ValueError):
    """A record of `wa.dlq` that has not our headers; says which is missing or wrong."""


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_NAMES):
    """What the headers say of the original record. Each is text in UTF-8."""

    id: Annotated[
        str, Meta(description="The dead letter's: topic:partition:offset of the original.")
    ]
    reason: Annotated[str, Meta(description="The error's code.")]
    error_class: Annotated[ErrorClass, Meta(title="ErrorClass")]
    message: Annotated[str, Meta(description="What went wrong, for people.")]
    attempts: Annotated[_AtLeast0, Meta(description="How often it was tried.")]
    first_failed_at: Time
    last_failed_at: Time
    topic: str
    partition: _AtLeast0
    offset: _AtLeast0
    timestamp: Annotated[int, Meta(description="Kafka's, of the original record, in epoch ms.")]
    outcome: Annotated[
        Outcome, Meta(title="DeadLetterOutcome", description="`unknown`: it may have been sent.")
    ]
    request_id: Annotated[
        str, Meta(description="Under which the request was answered; a replay keeps it.")
    ]
    replay_count: Annotated[_AtLeast0, Meta(description="How many replays led to it.")]
    account: Annotated[str, Meta(description="The sending account, if it came so far.")] | None = (
        None
    )


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: the original record, and what is said about it."""

    about: About
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()  # the original's

    def record_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers of its record on `wa.dlq`."""
        said: dict[str, object] = msgspec.to_builtins(self.about)
        ours = {**said, **_for_generic_tools(self.about)}
        return [*self.headers, *((name, str(value).encode()) for name, value in ours.items())]

    def replay_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers under which key and value go to `wa.outbound` again."""
        about = self.about
        said = Replay(of=about.id, count=about.replay_count + 1, request_id=about.request_id)
        return replay.headers(self.headers, said)


def read(key: bytes | None, value: bytes | None, headers: Headers) -> DeadLetter:
    """The dead letter in a record of `wa.dlq`.

    Raises:
        NotADeadLetter: our headers are missing, or say what cannot be.
    """
    begin = max((i for i, (name, _) in enumerate(headers) if name == ID), default=None)
    if begin is None:
        raise NotADeadLetter(f"it has no header {ID}")
    try:
        said = {name: bytes(value or b"").decode() for name, value in headers[begin:]}
        about = msgspec.convert(said, About, strict=False)
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise NotADeadLetter(f"its headers are not ours: {error}") from error
    return DeadLetter(about=about, key=key, value=value, headers=tuple(headers[:begin]))


def _for_generic_tools(about: About) -> dict[str, object]:
    """What Kafka UIs know: the headers of Kafka Connect's DeadLetterQueueReporter."""
    return {
        f"{_CONNECT}topic": about.topic,
        f"{_CONNECT}partition": about.partition,
        f"{_CONNECT}offset": about.offset,
        f"{_CONNECT}exception.class.name": about.reason,
        f"{_CONNECT}exception.message": about.message,
    }
