"""Replacing a file as a whole: a reader sees the old content or the new one, never a part.

This is the only place that writes a file which another process may be reading.
"""

import errno
import os
from pathlib import Path

_DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_disk_full(error: BaseException) -> bool:
    """Whether a file could not be written because the disk, a quota or the limit of a file's size is exhausted."""
    return isinstance(error, OSError) and error.errno in _DISK_FULL_ERRNOS


def describe_full_disk(path: object) -> str:
    """One line that says what to do. `path`: the file or folder that could not be written."""
    return (
        f"the disk of {path} is full: free some space; the work goes on then, and nothing is lost"
    )


def write_atomic(
    path: Path, content: bytes, *, is_durable: bool = False, mode: int = 0o666
) -> None:
    """Replace the file with this content. The folder must exist.

    With `is_durable` the content is on the disk before the new file takes the place of the old one,
    so that a power cut leaves one of the two. `mode` is limited by the umask, as for `open`.

    Raises:
        OSError: it cannot be written; the old file is unchanged and nothing is left beside it.
    """
    # Each process has its own temporary name, so that two writers never share a file.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)  # left by a killed process that had the same pid
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
