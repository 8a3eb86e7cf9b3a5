"""An index of some rows of a table: their keys, in the local store only. Pure.

It is written in the same batch as the rows, by a write and by a recovery alike, so it is never older than they are. A
store whose index was made by another rule is rebuilt from its changelog.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from rocksdict import WriteBatch

from streams.runtime.store.rows import INTERNAL_PREFIX

INDEX_PREFIX: Final = INTERNAL_PREFIX + b"index\0"
INDEX_VERSION_KEY: Final = INTERNAL_PREFIX + b"index-version"

Change = tuple[bytes, bytes | None]
IndexChange = tuple[bytes, bool]  # a key, and whether it is in the index now


def put_or_delete(batch: WriteBatch, key: bytes, value: bytes | None) -> None:
    """Add a change of a row to the batch."""
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)


@dataclass(frozen=True, slots=True)
class Index:
    """Which rows are in the index. `index_row` returns None for a row that never is.

    `index_decoded` says the same of a row that its check has decoded, so that a recovery decodes it once.
    """

    version: bytes
    index_row: Callable[[bytes, bytes | None], IndexChange | None]
    index_decoded: Callable[[bytes, Any], IndexChange | None] | None = None

    def add_changes(self, batch: WriteBatch, rows: Iterable[Change]) -> None:
        """Add to the batch what these changes of rows mean to the index."""
        for key, value in rows:
            _add(batch, self.index_row(key, value))

    def add_checked(
        self, batch: WriteBatch, key: bytes, value: bytes | None, row: Any, keys: set[bytes] | None
    ) -> None:
        """Add what a record of the changelog means; `row`: what its check has returned.

        `keys`: all that are in the index now; None: not known. Most rows never were, so nothing is written for them.
        """
        if row is None or self.index_decoded is None:
            _add(batch, self.index_row(key, value), keys)
        else:
            _add(batch, self.index_decoded(key, row), keys)


def _add(batch: WriteBatch, change: IndexChange | None, keys: set[bytes] | None = None) -> None:
    if change is None:
        return
    key, is_in = change
    if is_in:
        batch.put(INDEX_PREFIX + key, b"")
    elif keys is None or key in keys:
        batch.delete(INDEX_PREFIX + key)
    if keys is not None:
        (keys.add if is_in else keys.discard)(key)


NO_INDEX: Final = Index(b"", lambda key, value: None)
