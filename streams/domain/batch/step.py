"""The state machine of a batch: `step` applies one event to its rows.

A status of a member is counted once, however often it is reported. A member that was sent stays sent, and only moves
forward; any other status gives way to a newer one, because a dead letter can be replayed. The batch is finished when
each member was sent or has ended otherwise; it is open again while a dead letter of it is replayed. Progress is
published at most once in `PROGRESS_INTERVAL_S`, and when the batch is finished. The time is that of the log.
"""

from typing import Final

from msgspec.structs import replace

from streams.domain.batch.events import (
    BatchCancelRequested,
    BatchEvent,
    BatchOpened,
    BatchRetentionElapsed,
    MembersChanged,
    MemberStatus,
)
from streams.domain.batch.state import (
    CHUNK_SIZE,
    CODES,
    DELIVERY_STATUSES,
    STATUSES,
    Batch,
    BatchChanges,
    BatchReader,
    CancelMembers,
    Members,
    PublishProgress,
    RejectCancel,
)

PROGRESS_INTERVAL_S: Final = 1.0
MAX_REMEMBERED_CANCELS: Final = 32
# A batch of which a record never came is not finished; it is forgotten all the same.
MAX_UNFINISHED_S: Final = 400 * 86_400.0


def step(
    row: Batch | None,
    event: BatchEvent,
    *,
    offset: int,
    now_s: float,
    rows: BatchReader,
    keep_s: float,
) -> BatchChanges | None:
    """The rows after this event; None if it changes nothing. `keep_s`: how long an ended batch is remembered."""
    before = row or Batch(batch_id=event.batch_id)
    match event:
        case BatchOpened():
            changes = _open(before, event, now_s)
        case MembersChanged():
            changes = _change_members(before, event, rows)
        case BatchCancelRequested():
            changes = _cancel(before, event)
        case BatchRetentionElapsed():
            return _remove(row, now_s, keep_s)
    return None if changes is None else _finish(before, changes, offset, now_s)


def can_be_forgotten(row: Batch, now_s: float, keep_s: float) -> bool:
    """Whether nothing has happened to the batch for so long that nothing more is expected."""
    is_over = row.finished_at_s > 0 or not row.total
    return row.changed_s + (keep_s if is_over else max(keep_s, MAX_UNFINISHED_S)) <= now_s


def _open(row: Batch, event: BatchOpened, now_s: float) -> BatchChanges:
    opened = replace(
        row,
        total=max(row.total, event.total, event.first + len(event.members)),
        firsts=tuple(sorted({*row.firsts, event.first})),
        started_at_s=row.started_at_s or now_s,
        effects=(CancelMembers(firsts=(event.first,)),) if row.is_cancelled else (),
    )
    return BatchChanges(row=opened, members={event.first: Members(members=event.members)})


def _change_members(row: Batch, event: MembersChanged, rows: BatchReader) -> BatchChanges | None:
    counts: dict[MemberStatus, int] = dict(row.counts)
    chunks: dict[int, bytearray] = {}
    for index, status in event.changes:
        number, place = divmod(index, CHUNK_SIZE)
        stored = chunks.get(number) or rows.get_chunk(row.batch_id, number) or bytes(CHUNK_SIZE)
        old = STATUSES.get(stored[place])
        if not _is_change(old, status):
            continue
        if old is not None:
            counts[old] -= 1
        counts[status] = counts.get(status, 0) + 1
        chunks.setdefault(number, bytearray(stored))[place] = CODES[status]
    if not chunks:
        return None
    counts = {status: count for status, count in counts.items() if count}
    return BatchChanges(
        row=replace(row, counts=counts, effects=()),
        chunks={number: bytes(chunk) for number, chunk in chunks.items()},
    )


def _is_change(old: MemberStatus | None, new: MemberStatus) -> bool:
    if old in DELIVERY_STATUSES:
        is_delivery = new in DELIVERY_STATUSES
        return is_delivery and DELIVERY_STATUSES.index(new) > DELIVERY_STATUSES.index(old)
    return old != new and (old is None or new != "duplicate")


def _cancel(row: Batch, event: BatchCancelRequested) -> BatchChanges | None:
    """What waits is cancelled, and what its sender returns unsent. Members that arrive later are cancelled, too."""
    coordinates = event.source_record.coordinates
    if coordinates in row.recent_cancels:
        return None
    remembered = (*row.recent_cancels, coordinates)[-MAX_REMEMBERED_CANCELS:]
    row = replace(row, recent_cancels=remembered)
    if not row.total:
        effect = RejectCancel(code="unknown_request", detail="batch_id: there is no such batch")
        return BatchChanges(row=replace(row, effects=(effect,)))
    if not row.pending_count:
        detail = "each message of the batch was sent or has ended otherwise"
        effect = RejectCancel(code="too_late_to_cancel", detail=detail)
        return BatchChanges(row=replace(row, effects=(effect,)))
    cancelled = replace(row, is_cancelled=True, effects=(CancelMembers(firsts=row.firsts),))
    return BatchChanges(row=cancelled)


def _remove(row: Batch | None, now_s: float, keep_s: float) -> BatchChanges | None:
    if row is None or not can_be_forgotten(row, now_s, keep_s):
        return None
    return BatchChanges(row=row, is_removed=True)


def _finish(before: Batch, changes: BatchChanges, offset: int, now_s: float) -> BatchChanges:
    """The row with its times and, if it is due, its progress."""
    row = changes.row
    is_finished = row.total > 0 and not row.pending_count
    finished_at_s = (before.finished_at_s or now_s) if is_finished else 0.0
    is_due = not 0 <= now_s - row.published_s < PROGRESS_INTERVAL_S
    is_published = row.total > 0 and (is_due or bool(finished_at_s) != bool(before.finished_at_s))
    row = replace(
        row,
        offset=offset,
        changed_s=now_s,
        finished_at_s=finished_at_s,
        is_published=is_published,
        published_s=now_s if is_published else row.published_s,
        effects=(*row.effects, PublishProgress()) if is_published else row.effects,
    )
    return replace(changes, row=row)
