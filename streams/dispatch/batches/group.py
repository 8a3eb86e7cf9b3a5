"""Changes of members that are committed together: what `step` sees is the store with the changes of the group so far.

Each row ends with the offset of the last event that changed it, and with all progress that the group made due. So a
crash replays the group to the same result, from any of its events. Nothing is written here.
"""

from msgspec.structs import replace

from streams.dispatch.batches.store import BatchStore
from streams.dispatch.conversion import LogRecord
from streams.domain.batch.events import MembersChanged
from streams.domain.batch.state import Batch, BatchChanges, PublishProgress
from streams.domain.batch.step import step


class MemberGroup:
    """The changes of one partition that were not committed yet."""

    def __init__(self, store: BatchStore) -> None:
        self.store = store
        self._rows: dict[str, Batch] = {}
        self._chunks: dict[tuple[str, int], bytes] = {}
        self._due: set[str] = set()  # batches whose progress is to be published

    def get_chunk(self, batch_id: str, number: int) -> bytes | None:
        """See `BatchReader`."""
        return self._chunks.get((batch_id, number)) or self.store.get_chunk(batch_id, number)

    def apply(self, event: MembersChanged, record: LogRecord, *, keep_s: float) -> None:
        """Apply an event. One that its row has seen changes nothing; the last one of a row repeats its effects."""
        row = self._rows.get(event.batch_id) or self.store.get_batch(event.batch_id)
        if row is not None and record.offset <= row.offset:
            if record.offset == row.offset:
                self._keep(row)
            return
        changes = step(
            row, event, offset=record.offset, now_s=record.append_s, rows=self, keep_s=keep_s
        )
        if changes is not None:
            self._keep(changes.row)
            for number, chunk in changes.chunks.items():
                self._chunks[event.batch_id, number] = chunk

    def _keep(self, row: Batch) -> None:
        self._rows[row.batch_id] = row
        if row.effects:
            self._due.add(row.batch_id)

    def collect_changes(self) -> list[BatchChanges]:
        """What is to be committed: for each batch its row and its chunks."""
        return [
            BatchChanges(
                row=self._with_progress(row) if batch_id in self._due else row,
                chunks={
                    number: chunk for (id, number), chunk in self._chunks.items() if id == batch_id
                },
            )
            for batch_id, row in self._rows.items()
        ]

    def _with_progress(self, row: Batch) -> Batch:
        return replace(row, is_published=True, effects=(PublishProgress(),))
