"""Why a process ended, in one line for `ps`: from its exit code and from what it logged last. Starts nothing."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.logs import read_message
from streams.operations.errors import UsageError
from streams.supervisor.log_file import read_last_line


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """How a process ended, or why it did not start."""

    code: int
    reason: str


def describe_exit(code: int, name: str, log: Path, exit_names: Mapping[int, str]) -> ProcessExit:
    """The exit of the service of this name; a negative code is the number of a signal."""
    if code == UsageError.exit_code:
        line = read_last_line(log).removeprefix("wa-streams: ")
        return ProcessExit(code, line.removeprefix(f"{name}: ") or "a setting is wrong")
    if code < 0:
        return ProcessExit(code, f"was killed by {signal.Signals(-code).name}")
    exit_name = exit_names.get(code)
    if exit_name is None:
        return ProcessExit(code, f"exited with code {code}")
    reason = _read_logged_reason(log, f" (exit {code}, {exit_name})")
    return ProcessExit(
        code, f"exited with code {code}, {exit_name}" + (f": {reason}" if reason else "")
    )


def _read_logged_reason(log: Path, suffix: str) -> str:
    """The reason that the program logged before it exited, as workers do (runtime/exit_codes.py)."""
    return read_message(read_last_line(log, suffix)).removesuffix(suffix)
