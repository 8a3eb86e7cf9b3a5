"""Removes the record that a killed browser had not finished writing from the logs of its databases.

Chromium keeps IndexedDB, localStorage and more in LevelDB databases. LevelDB ignores an unfinished record at the end
of a log, but then appends to the same log (its option `reuse_logs`). At the start after that, the unfinished record
lies in the middle of the log and counts as damage, and Chromium replaces the whole database with an empty one. Two
kills within seconds would cost the link, and every message that the page had not passed on to us. The fault is known:
https://github.com/google/leveldb/issues/1287. So the owner of the profile removes such a record before each start.
Nothing is lost by it: LevelDB would never have read the record.

The format of a log: https://github.com/google/leveldb/blob/main/doc/log_format.md. A manifest has the same.
May not touch a database that a browser has open.
"""

import logging
import struct
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

_BLOCK_SIZE = 32_768
_HEADER = struct.Struct("<IHB")  # checksum, length of the data, type
# A record is one FULL fragment, or a FIRST, any MIDDLE and a LAST.
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def remove_unfinished_records(profile: Path) -> int:
    """Remove them from all databases of a profile that no browser has open. Returns how many bytes were removed."""
    return sum(_truncate(file) for file in _find_logs(profile))


def _find_logs(profile: Path) -> Iterator[Path]:
    for current in profile.rglob("CURRENT"):
        yield from current.parent.glob("*.log")
        yield from current.parent.glob("MANIFEST-*")


def _truncate(file: Path) -> int:
    content = file.read_bytes()
    end = find_end_of_records(content)
    removed = len(content) - end
    if removed:
        with file.open("r+b") as opened:
            opened.truncate(end)
        log.warning(
            "%s: removed %d bytes of a record that the browser had not finished", file, removed
        )
    return removed


def find_end_of_records(content: bytes) -> int:
    """The offset behind the last complete record, if an unfinished one follows it; else the length of the log.

    A log with an impossible fragment is left as it is: what to do with damage is for LevelDB to decide.
    """
    position = end = 0
    is_within_record = False
    while (start := _skip_padding(position)) < len(content):
        if start + _HEADER.size > len(content):
            return end
        _, length, kind = _HEADER.unpack_from(content, start)
        position = start + _HEADER.size + length
        if not _is_possible(start, position, kind):
            return len(content)
        if position > len(content):
            return end
        is_within_record = kind in (_FIRST, _MIDDLE)
        if not is_within_record:
            end = position
    return end if is_within_record else len(content)


def _skip_padding(position: int) -> int:
    """A header does not cross the end of a block: what is too small for one is padding."""
    left = _BLOCK_SIZE - position % _BLOCK_SIZE
    return position + left if left < _HEADER.size else position


def _is_possible(start: int, end: int, kind: int) -> bool:
    """A fragment has a known type, and lies within one block."""
    return _FULL <= kind <= _LAST and end <= (start // _BLOCK_SIZE + 1) * _BLOCK_SIZE
