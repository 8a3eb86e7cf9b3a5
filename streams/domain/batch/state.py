"""The rows of a batch: its counts, which status each member has, and who its members are.

The statuses are one byte for each member, in chunks, so that the cost of an event does not depend on the size of the
batch. The row carries the offset of the event that wrote it, and what that event caused. Rows are stored: a field may
be added with a default, and no field may be renamed.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol, TypeAlias, get_args

import msgspec

from streams.domain.batch.events import MemberStatus
from streams.domain.stored import Codec, Stored

CHUNK_SIZE: Final = 512
# The byte of each status; 0: nothing is known of the member.
CODES: Final[dict[MemberStatus, int]] = {
    status: code for code, status in enumerate(get_args(MemberStatus), start=1)
}
STATUSES: Final[dict[int, MemberStatus]] = {code: status for status, code in CODES.items()}
DELIVERY_STATUSES: Final[tuple[MemberStatus, ...]] = ("sent", "delivered", "read")


class PublishProgress(Stored, frozen=True, tag="publish_progress"):
    """The counts go to `wa.batches`."""


class CancelMembers(Stored, frozen=True, tag="cancel_members"):
    """The members of these records are to be cancelled; each is named by the index of its first member."""

    firsts: tuple[int, ...]


class RejectCancel(Stored, frozen=True, tag="reject_cancel"):
    """The cancel of this event is answered with this code."""

    code: str
    detail: str


BatchEffect: TypeAlias = PublishProgress | CancelMembers | RejectCancel


class Batch(Stored, frozen=True):
    """One batch. Until it is opened, nothing is published of it."""

    batch_id: str
    offset: int = -1  # of the event that wrote the row
    total: int = 0  # members; 0: it is not opened yet
    firsts: tuple[int, ...] = ()  # the records that were fanned out, each by its first member
    counts: dict[MemberStatus, int] = msgspec.field(default_factory=dict[MemberStatus, int])
    started_at_s: float = 0.0
    finished_at_s: float = 0.0
    changed_s: float = 0.0
    published_s: float = 0.0
    is_published: bool = False  # what the row says is on `wa.batches`, once its effects are
    is_cancelled: bool = False
    recent_cancels: tuple[str, ...] = ()  # records of cancels that were applied
    effects: tuple[BatchEffect, ...] = ()  # of the event that wrote the row

    def count(self, *statuses: MemberStatus) -> int:
        """How many members have one of these statuses now."""
        return sum(self.counts.get(status, 0) for status in statuses)

    @property
    def distinct_total(self) -> int:
        """How many different messages the batch has."""
        return self.total - self.count("duplicate")

    @property
    def pending_count(self) -> int:
        """Members that are neither sent nor ended."""
        return max(0, self.total - sum(self.counts.values()) + self.count("accepted"))


class Members(Stored, frozen=True):
    """The members of one record: phone and id of each; an empty id follows from the index; None: rejected."""

    members: tuple[tuple[str, str] | None, ...]


class BatchReader(Protocol):
    """The rows of a partition as a step sees them: it reads and never writes."""

    def get_chunk(self, batch_id: str, number: int) -> bytes | None:
        """The statuses of `CHUNK_SIZE` members."""
        ...


class BatchChanges(Stored, frozen=True):
    """What an event changed: the row, and the rows beside it."""

    row: Batch
    chunks: Mapping[int, bytes] = {}
    members: Mapping[int, Members] = {}
    is_removed: bool = False


def iter_statuses(chunk: bytes) -> Iterator[MemberStatus | None]:
    """The status of each member of a chunk; None: nothing is known of it."""
    return (STATUSES.get(code) for code in chunk)


_batches: Codec[Batch] = Codec(Batch)
_members: Codec[Members] = Codec(Members)


def encode_batch(row: Batch) -> bytes:
    """A batch's row as it is stored."""
    return _batches.encode(row)


def decode_batch(data: bytes) -> Batch:
    """A batch's row."""
    return _batches.decode(data)


def encode_members(members: Members) -> bytes:
    """The members of one record as they are stored."""
    return _members.encode(members)


def decode_members(data: bytes) -> Members:
    """The members of one record."""
    return _members.decode(data)
