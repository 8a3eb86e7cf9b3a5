"""An index of some rows of a table: their keys, in the local store only. Pure.

It is written in the same batch as the rows, by a write and by a recovery alike, so it is never older than they are. A
store whose index was made by another rule is rebuilt from its changelog.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from rocksdict import WriteBatch

from streams.runtime.store.rows import INTERNAL_PREFIX

INDEX_PREFIX: Final = INTERNAL_PREFIX + b"index\0"
INDEX_VERSION_KEY: Final = INTERNAL_PREFIX + b"index-version"

Change = tuple[bytes, bytes | None]
IndexChange = tuple[bytes, bool]  # a key, and whether it is in the index now


@dataclass(frozen=True, slots=True)
class Index:
    """Which rows are in the index. `index_row` returns None for a row that never is."""

    version: bytes
    index_row: Callable[[bytes, bytes | None], IndexChange | None]

    def add_changes(self, batch: WriteBatch, rows: Iterable[Change]) -> None:
        """Add to the batch what these changes of rows mean to the index."""
        for key, value in rows:
            change = self.index_row(key, value)
            if change is None:
                continue
            if change[1]:
                batch.put(INDEX_PREFIX + change[0], b"")
            else:
                batch.delete(INDEX_PREFIX + change[0])


NO_INDEX: Final = Index(b"", lambda key, value: None)
