"""Opens the file of the webhooks (store.py), and removes what was kept long enough. Reads and delivers nothing.

Both an event that was given up and a damaged file that was set aside are kept for seven days: they hold texts. Every
time is one by the broker's clock, as in the file.
"""

import logging
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from streams.webhooks.store import Store
from streams.webhooks.tables import GIVEN_UP_KEPT_S, VERSION

log = logging.getLogger(__name__)

DAMAGED_KEPT_S: Final = GIVEN_UP_KEPT_S
_LOCK_TIMEOUT_S: Final = 10.0
_DAMAGE_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def open_store(path: Path, now_s: float) -> Store:
    """A damaged file is set aside: what it held is read again from where Kafka has the positions.

    Raises:
        sqlite3.Error: the file cannot be used, and is not damaged.
    """
    if _is_damaged(path):
        _set_aside(path, now_s)
    store = Store(path)
    remove_old(store, now_s)
    return store


def remove_old(store: Store, now_s: float) -> None:
    """Remove what was kept for seven days. Raises `sqlite3.Error`."""
    store.remove_given_up(now_s - GIVEN_UP_KEPT_S)
    aside = get_damaged_path(store.path)
    with suppress(FileNotFoundError):  # as a rule there is none
        if aside.stat().st_mtime < now_s - DAMAGED_KEPT_S:
            aside.unlink()
            log.info("%s was kept for seven days and is removed", aside.name)


def get_damaged_path(path: Path) -> Path:
    """Where a damaged file is set aside; an earlier one there is replaced."""
    return path.with_suffix(".damaged")


def _set_aside(path: Path, now_s: float) -> None:
    aside = get_damaged_path(path)
    os.utime(path, (now_s, now_s))  # its age is that of the damage
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    log.error(
        "%s cannot be read and is set aside as %s: some events are delivered again, and no endpoint is paused",
        path,
        aside.name,
    )


def _is_damaged(path: Path) -> bool:
    """Whether the file exists and SQLite cannot use it."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in _DAMAGE_CODES:
            return True
        raise
    return result != "ok" or version not in (0, VERSION)
