"""What can happen to a batch: the events of the batch log (`wa.internal.batch`), keyed by the batch's id.

Events are stored on Kafka: a field may be added with a default, and no field may be renamed. Each may occur twice:
a crash repeats what was not acknowledged.
"""

from typing import Literal, TypeAlias

from streams.domain.phone.events import SourceRecord
from streams.domain.stored import Codec, Stored

# What a batch counts of its members. `duplicate`: this message is another member of the same batch.
MemberStatus: TypeAlias = Literal[
    "accepted",
    "sent",
    "delivered",
    "read",
    "failed",
    "rejected",
    "expired",
    "cancelled",
    "unknown",
    "duplicate",
]


class BatchOpened(Stored, frozen=True, tag="batch_opened"):
    """Intake has forwarded these members. It comes after they are in the phone log."""

    batch_id: str
    first: int
    total: int
    # Phone and id of each member; an empty id: the one that follows from its index; None: it was rejected.
    members: tuple[tuple[str, str] | None, ...]


class MembersChanged(Stored, frozen=True, tag="members_changed"):
    """Members have these statuses now: all that one commit of the phone stage has changed, or one that was rejected."""

    batch_id: str
    changes: tuple[tuple[int, MemberStatus], ...]  # index and status


class BatchCancelRequested(Stored, frozen=True, tag="batch_cancel_requested"):
    """A caller withdraws the batch."""

    batch_id: str
    cancel_id: str
    source_record: SourceRecord
    trace: tuple[tuple[str, bytes], ...] = ()


class BatchRetentionElapsed(Stored, frozen=True, tag="batch_retention_elapsed"):
    """Nothing has happened to the batch for a long time."""

    batch_id: str


BatchEvent: TypeAlias = BatchOpened | MembersChanged | BatchCancelRequested | BatchRetentionElapsed

_codec: Codec[BatchEvent] = Codec(BatchEvent)


def encode(event: BatchEvent) -> bytes:
    """The event as a record's value."""
    return _codec.encode(event)


def decode(data: bytes) -> BatchEvent:
    """The event in a record of the batch log.

    Raises:
        msgspec.DecodeError: the bytes are not such an event.
    """
    return _codec.decode(data)


def default_id(batch_id: str, index: int) -> str:
    """The id of a member that has none of its own."""
    return f"{batch_id}/{index}"
