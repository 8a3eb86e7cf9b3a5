"""One process of a name in a folder, for services that write a file there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock


class FolderInUse(Exception):
    """Another process of this name uses the folder; the text is one line that says what to do."""


@contextmanager
def hold_folder(folder: Path, name: str, problem: str) -> Iterator[None]:
    """Be the only process of this name that writes to this folder, which is created.

    `problem`: what to say if there is another one, in a line that says what to do.

    Raises:
        FolderInUse: there is another one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise FolderInUse(problem) from None
    try:
        yield
    finally:
        lock.release()
