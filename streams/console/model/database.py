"""The file of the read model: opened, found damaged, removed, created again. Knows no table.

The methods block, so call them in a thread. Everything in the file can be built again, so nothing is repaired: an
error of SQLite means that the file is removed.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from streams.console.model.schema import TABLES, VERSION

T = TypeVar("T")

_LOCK_TIMEOUT_S: Final = 5.0
_SUFFIXES: Final = ("", "-wal", "-shm")


class ModelDamaged(Exception):
    """The file cannot be used: it is corrupt, locked, gone, of another version, or about other topics."""


class Database:
    """One SQLite file, with one connection that writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._inode = 0

    def open(self) -> None:
        """Open the file, or create it.

        Raises:
            ModelDamaged: it cannot be used.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, _translate_errors():
            self._close()
            self._writer = sqlite3.connect(
                self._path,
                timeout=_LOCK_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
            self._prepare(self._writer)
            self._inode = self._path.stat().st_ino

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        # After a power failure the last transactions may be missing, with their positions: they are read again.
        connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise ModelDamaged(f"it has the tables of version {version}")

    def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Call `change` in one transaction.

        Raises:
            ModelDamaged: the file cannot be used any more.
        """
        with self._lock, _translate_errors():
            if self._writer is None or not self.is_in_place():
                raise ModelDamaged("its file was removed or replaced")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                result = change(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # the error that led here says more
                    self._writer.execute("ROLLBACK")
                raise
        return result

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Call `query` with a connection that cannot write, and sees one state.

        Raises:
            ModelDamaged: the file cannot be read.
        """
        with _translate_errors():
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=_LOCK_TIMEOUT_S
            )
            try:
                connection.row_factory = sqlite3.Row
                connection.execute("BEGIN")
                return query(connection)
            finally:
                connection.close()

    def is_in_place(self) -> bool:
        """Whether the open file is still the one at its path."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def remove(self) -> None:
        """Close and remove the file. Another process that has it open keeps what it has.

        Raises:
            OSError: it cannot be removed.
        """
        with self._lock:
            self._close()
            for suffix in _SUFFIXES:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{self._path}{suffix}")

    def close(self) -> None:
        """Close the connection. A second call does nothing."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(sqlite3.Error):  # of a damaged file: it is closed all the same
                self._writer.close()
            self._writer = None


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        raise ModelDamaged(str(error)) from error
