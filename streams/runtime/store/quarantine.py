"""Sets a damaged store aside, once, and removes a stale one, so that they are rebuilt. Opens no store.

A store is only renamed while no process has it open: RocksDB would go on writing to the old path. So a process that
finds damage leaves a mark and ends, and the next one renames the folder.

A store that is damaged again soon after a rebuild is left alone: then the disk is the cause, or what the changelog
holds, and a person must look at it. The marks are files inside the store's folder, so deleting the folder, which is
what the person does, also removes the marks.
"""

import contextlib
import shutil
import time
from pathlib import Path

KEPT_COPIES = 1  # of each store; an older copy is deleted
# RocksDB ignores these files.
_DAMAGED_MARK = "DAMAGED"
_REBUILT_MARK = "REBUILT"
_COPY_INFIX = ".damaged-"
_DISCARDED_INFIX = ".discarded-"
_COUNT_FILE = "rebuilds"


class DamagedAgain(RuntimeError):
    """The store was rebuilt a moment ago, and is damaged again."""


def mark_damaged(store: Path, reason: str) -> None:
    """Let the next process set this store aside. Raises OSError."""
    (store / _DAMAGED_MARK).write_text(reason)


def read_damage(store: Path) -> str | None:
    """Why an earlier process marked this store as damaged; None: it did not."""
    try:
        return (store / _DAMAGED_MARK).read_text()
    except FileNotFoundError:
        return None


def set_aside(store: Path) -> Path:
    """Rename a store's folder, and prepare its successor; returns the new name.

    Raises:
        DamagedAgain: its rebuild has not proved itself yet.
        OSError: it cannot be renamed.
    """
    if is_on_probation(store):
        raise DamagedAgain(str(store))
    copy = _name_copy(store)
    store.rename(copy)
    store.mkdir()
    (store / _REBUILT_MARK).touch()
    for old_copy in _list_copies(store)[:-KEPT_COPIES]:
        shutil.rmtree(old_copy, ignore_errors=True)
    _count_rebuild(store.parent)
    return copy


def discard(store: Path) -> None:
    """Delete a closed store that nobody needs to look at, so that it is rebuilt. Raises OSError.

    It is renamed first: if the process ends in the middle, no half of a store is opened.
    """
    copy = _name_copy(store, _DISCARDED_INFIX)
    store.rename(copy)
    _count_rebuild(store.parent)
    for discarded in store.parent.glob(f"{store.name}{_DISCARDED_INFIX}*"):
        shutil.rmtree(discarded, ignore_errors=True)


def is_on_probation(store: Path) -> bool:
    """Whether the store was rebuilt and has not proved itself yet."""
    return (store / _REBUILT_MARK).exists()


def end_probation(store: Path) -> None:
    """The rebuilt store has proved itself."""
    (store / _REBUILT_MARK).unlink(missing_ok=True)


def count_rebuilds(directory: Path) -> int:
    """How many stores in this folder were set aside or discarded since the folder was created."""
    try:
        return int((directory / _COUNT_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _count_rebuild(directory: Path) -> None:
    with contextlib.suppress(OSError):  # a full disk: the count matters less than the rebuild
        (directory / _COUNT_FILE).write_text(str(count_rebuilds(directory) + 1))


def _name_copy(store: Path, infix: str = _COPY_INFIX) -> Path:
    # The date is for a person; the number makes the name unique.
    prefix = f"{store.name}{infix}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    copy, number = store.with_name(prefix), 1
    while copy.exists():
        number += 1
        copy = store.with_name(f"{prefix}-{number}")
    return copy


def _list_copies(store: Path) -> list[Path]:
    """The copies of a store, the oldest first."""
    return sorted(store.parent.glob(f"{store.name}{_COPY_INFIX}*"))
