"""A full disk ends a command with one line and exit code 1: it may be tried again."""

import errno
import logging
import sys

import pytest

from streams.cli.error_map import translate
from streams.logs.setup import _Handler


def test_a_full_disk_is_one_line():
    """The line names the file, and says what to do."""
    error = translate(OSError(errno.ENOSPC, "No space left on device", "/data/run/up.json"))
    assert error is not None
    assert error.exit_code == 1
    assert str(error).startswith("the disk of /data/run/up.json is full: free some space")


def test_other_errors_of_files_are_not_full_disks():
    """A bug keeps its traceback."""
    assert translate(FileNotFoundError(2, "No such file or directory", "/x")) is None


def test_a_log_line_that_cannot_be_written_harms_nobody(monkeypatch: pytest.MonkeyPatch):
    """Otherwise an event would fail because of its log line."""

    class FullDisk:
        """Standard error on a full disk."""

        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", FullDisk())
    handler = _Handler(is_redacting=True)
    handler.handle(logging.makeLogRecord({"msg": "a line"}))
