"""What one event of the phone log comes to, before anything of it is durable. Decides nothing, writes nothing."""

import logging
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, Literal, Protocol

import msgspec

from streams.dispatch.conversion import LogRecord
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.records.consents import ConsentMetrics
from streams.dispatch.records.context import MissingCase
from streams.domain.phone.events import Event
from streams.domain.phone.state import Phone
from streams.runtime.table import Change

log = logging.getLogger(__name__)

# The uncompressed bytes of the rows of one commit. They fit into one batch of the changelog (runtime/factory.py),
# unless the rows of a single event are larger.
MAX_COMMIT_BYTES: Final = 384 << 10
_ROW_OVERHEAD_BYTES: Final = 32  # of a record in a batch


class EventDisposition(StrEnum):
    """What became of one event."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"  # changed nothing
    REPUBLISHED = "republished"  # its row was there, its effects perhaps not
    ALREADY_APPLIED = "already_applied"
    MALFORMED = "malformed"  # not an event of the phone log
    FAILED = "failed"  # `step` raised: a bug; its message has ended, or the event was skipped
    ILLEGAL = "illegal"  # `step` refused a change that the life cycle does not allow: a bug


# `malformed`: it is no event. `step`: a bug. `too_large`: its rows do not fit the changelog. `unreadable`: a
# row of its phone cannot be read, or anything else that has no name.
ErrorKind = Literal["malformed", "step", "too_large", "unreadable"]


class StageMetrics(ConsentMetrics, Protocol):
    """What the stage counts."""

    def count_illegal_transition(self) -> None:
        """`step` refused a change."""
        ...

    def count_internal_error(self, kind: ErrorKind) -> None:
        """This program failed on an event."""
        ...

    def count_contradicting_receipt(self) -> None:
        """A receipt shows that a message arrived whose final status says that it was not sent."""
        ...

    def count_missing_payload(self, case: MissingCase) -> None:
        """An effect had no payload, and nothing was published for it."""
        ...


class Decision(msgspec.Struct, frozen=True):
    """What an event comes to: a row with its effects, or answers without a row, or nothing."""

    event: Event
    record: LogRecord
    disposition: EventDisposition
    before: Phone | None = None
    row: Phone | None = None  # to be written, with its effects in the journal
    changes: Sequence[Change] = ()  # everything that is written with the row, the row first
    answers: Sequence[OutgoingRecord] = ()
    is_turn_over: bool = True  # the phone's row is known, so what waits for it is up to date
    is_granted: bool = False  # its phone got the place that the event of another phone has freed

    @property
    def is_republished(self) -> bool:
        """Whether the row was written before."""
        return self.disposition is EventDisposition.REPUBLISHED

    @property
    def current(self) -> Phone | None:
        """The phone's row once this is committed; None: it has none."""
        row = self.before if self.row is None else self.row
        return None if row is None or row.is_removed else row

    @property
    def size_bytes(self) -> int:
        """How much is written."""
        return sum(
            len(key) + len(value or b"") + _ROW_OVERHEAD_BYTES for key, value in self.changes
        )


def split_by_size(decisions: Sequence[Decision]) -> Iterator[list[Decision]]:
    """The decisions of each commit, in their order: as many as fit, at least one.

    A phone that got a place stays with the one that freed it: the row of that one names it.
    """
    part: list[Decision] = []
    size_bytes = 0
    for decision in decisions:
        added_bytes = decision.size_bytes
        is_full = size_bytes + added_bytes > MAX_COMMIT_BYTES
        if part and is_full and not decision.is_granted:
            yield part
            part, size_bytes = [], 0
        part.append(decision)
        size_bytes += added_bytes
    if part:
        yield part


def count_error(
    metrics: StageMetrics, kind: ErrorKind, partition: int, record: LogRecord, event: Event
) -> str:
    """Count an error of this program; returns the line for the log, which holds no phone number."""
    metrics.count_internal_error(kind)
    position = f"{partition}:{record.offset}"
    return f"{type(event).__name__} failed at {position} of the phone log ({kind})"
