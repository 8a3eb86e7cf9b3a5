"""The user's cache of fetched files, shared by all clones and installations. Fetches nothing itself.

An entry is a folder whose name contains its version and a hash of its lock file, so another lock is
another entry. An entry appears as a whole or not at all: it is prepared in a staging folder beside it,
under a lock that only one process holds, and then renamed.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock


class CacheUnusable(RuntimeError):
    """The cache cannot be written; the message says what to do, in one line."""


def user_cache_dir() -> Path:
    """Where this user's programs keep their caches, by the XDG base directory specification.

    Raises:
        CacheUnusable: the user has no home folder, and XDG_CACHE_HOME is not set.
    """
    configured = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(configured or Path.home() / ".cache")
    except RuntimeError as error:
        raise CacheUnusable("this user has no home folder; set XDG_CACHE_HOME") from error


def cache_dir() -> Path:
    """The root of our cache. Raises CacheUnusable, as `user_cache_dir` does."""
    return user_cache_dir() / "wa-streams"


def staging_dir(entry: Path) -> Path:
    """Where an entry is prepared. It may hold what an interrupted process left."""
    return entry.with_name(f"{entry.name}.part")


@contextmanager
def hold_lock(entry: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of an entry. `on_wait` is called when another process holds it.

    Raises:
        CacheUnusable: the lock's file cannot be written.
    """
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(f"{entry}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            on_wait()
            lock.acquire()
    except OSError as error:
        raise CacheUnusable(
            f"{entry.parent} cannot be written ({error.strerror}); set XDG_CACHE_HOME to another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def publish(prepared: Path, entry: Path) -> None:
    """Make a prepared folder the entry. Only with the lock held, and on the same file system."""
    shutil.rmtree(entry, ignore_errors=True)
    prepared.rename(entry)
