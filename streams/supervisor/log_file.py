"""The log of a service, which the service writes itself: its size is bounded, its last line is read."""

import contextlib
import os
import shutil
from pathlib import Path

MAX_LOG_BYTES = (
    8 << 20
)  # of one log; the previous content, of about the same size, is kept beside it
_TAIL_BYTES = 8192


def rotate_log(log: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Empty the file once it is longer than this; its content is kept as `<name>.1`.

    The program keeps the file open and goes on writing at its new end. It knows nothing of us, so the
    file cannot be renamed: it is copied and truncated. A line that is written in between may be lost.
    A pipe would lose nothing, but would block the program whenever we are suspended.
    """
    try:
        if log.stat().st_size <= max_bytes:
            return
    except FileNotFoundError:
        return
    # On a full disk the old lines are lost: that the service goes on matters more.
    with contextlib.suppress(OSError):
        shutil.copyfile(log, log.with_name(log.name + ".1"))
    os.truncate(log, 0)


def read_last_line(log: Path, containing: str = "") -> str:
    """The last line that is not blank and contains this text; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    stripped = (line.strip() for line in reversed(lines))
    return next((line for line in stripped if line and containing in line), "")
