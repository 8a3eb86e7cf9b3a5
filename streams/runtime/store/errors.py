"""What an error of RocksDB means: is the store damaged, is the disk full, or is it something else. Pure.

rocksdict raises every error of RocksDB as a plain `Exception` whose text begins with RocksDB's status.
"""

from enum import StrEnum

from streams.system.files import is_disk_full

_DISK_FULL_TEXTS = ("No space left on device", "Disk quota exceeded", "File too large")
# The store itself may be in order.
_OTHER_TEXTS = (
    "lock hold by current process",
    "While lock file",
    "Too many open files",
    "Permission denied",
    "Read-only file system",
    "Cannot allocate memory",
)


class StoreProblem(StrEnum):
    """What to do about an error."""

    DAMAGED = "damaged"  # set the store aside, and rebuild it from the changelog
    DISK_FULL = "disk_full"  # end; go on when there is room again
    OTHER = "other"  # not about the content of the store


def classify(error: BaseException) -> StoreProblem:
    """What an exception of rocksdict means. An exception of any other kind is `OTHER`: a bug, a revocation."""
    if is_disk_full(error):
        return StoreProblem.DISK_FULL
    if type(error) is not Exception:
        return StoreProblem.OTHER
    text = str(error)
    if any(part in text for part in _DISK_FULL_TEXTS):
        return StoreProblem.DISK_FULL
    if any(part in text for part in _OTHER_TEXTS):
        return StoreProblem.OTHER
    return StoreProblem.DAMAGED
