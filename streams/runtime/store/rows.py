"""Which records of a changelog are rows of a table. Pure.

A changelog may hold what no worker of this version wrote: a record of another program, or one that a newer version
wrote. Such a record is not taken into the store, where every later read would fail on it.
"""

from collections.abc import Callable
from typing import Any

# Keys of the table itself: see `is_internal`.
INTERNAL_PREFIX = b"__faust\0"
OFFSET_KEY = INTERNAL_PREFIX + b"offset__"  # Faust's name; only ever written locally
APPENDED_KEY = (
    INTERNAL_PREFIX + b"appended"
)  # when that offset was appended; only ever written locally
# The latest append time of all records so far: the broker's clock may have been set back. Only ever written locally.
LATEST_APPENDED_KEY = INTERNAL_PREFIX + b"latest"
TOPIC_ID_PREFIX = INTERNAL_PREFIX + b"topic\0"


class NotARow(ValueError):
    """The key is not one of the table's."""


class UndecodableRow(ValueError):
    """The key is one of the table's, and its value cannot be decoded."""


# Returns the decoded row, for the table's index, or None. Raises NotARow or UndecodableRow.
CheckRow = Callable[[bytes, bytes], Any]


def accept_any_row(key: bytes, value: bytes) -> None:
    """For a table whose rows are not checked."""


def check_record(key: bytes | None, value: bytes | None, check_row: CheckRow) -> Any:
    """Check a record of the changelog; returns what `check_row` does. Raises NotARow or UndecodableRow."""
    if key is None or key == OFFSET_KEY:
        raise NotARow("no row has this key")
    if value is None or key.startswith(TOPIC_ID_PREFIX):
        return None
    if key.startswith(INTERNAL_PREFIX):
        raise NotARow("no row has this key")
    return check_row(key, value)
