"""Whether a process runs, and which process a pid file means. Starts and ends no process.

The kernel gives the number of an ended process to a later one. A pid that was stored is therefore
believed only if its process started before the pid was written.
"""

from pathlib import Path

import psutil

_START_TOLERANCE_S = 1.0  # the start of a process is known less precisely than the time of a file


def is_running(pid: int) -> bool:
    """Whether there is a process with this number. A zombie has ended and does not count."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def find_process(pid: int, recorded_s: float) -> psutil.Process | None:
    """The process that had this number at that time (epoch seconds), if it still exists."""
    try:
        process = psutil.Process(pid)
        is_reused = process.create_time() > recorded_s + _START_TOLERANCE_S
    except psutil.NoSuchProcess:
        return None
    return None if is_reused else process


def read_pid_file(pid_file: Path) -> psutil.Process | None:
    """The process that wrote this file, if it still exists. A zombie counts; see `is_running`."""
    try:
        return find_process(int(pid_file.read_text()), pid_file.stat().st_mtime)
    except (FileNotFoundError, ValueError):  # not written yet, or not completely
        return None
