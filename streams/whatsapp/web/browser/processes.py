"""Starts programs that die with their parent, and ends processes for certain. Knows no browser.

A program is started through a small script that asks the kernel for a signal at the death of the
parent. The script also writes the pid to a file, so that a process that does not end on
request can be ended. A process may only be ended through its pid file, never by its name.
"""

import asyncio
import os
import select
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

import psutil

from streams.system import processes
from streams.system.parent_death import bind_to_parent

_KILL_TIMEOUT_S = 5.0


def write_wrapper(
    script: Path,
    program: Path,
    death_signal: signal.Signals,
    environment_lines: str = "",
    *,
    arguments: Sequence[str] = (),
) -> Path:
    """Write a script that becomes `program`, leaves its pid in `<script>.pid` and dies with its parent.

    `arguments` come before those that the script is given.
    """
    command = bind_to_parent([str(program), *arguments], death_signal)
    pid_file = shlex.quote(f"{script}.pid")
    script.write_text(
        f'#!/bin/sh\necho $$ > {pid_file}\n{environment_lines}exec {shlex.join(command)} "$@"\n'
    )
    script.chmod(0o700)
    return script


def is_running(pid_file: Path) -> bool:
    """Whether the process of this file runs. A zombie does not count."""
    process = processes.read_pid_file(pid_file)
    return process is not None and processes.is_running(process.pid)


async def end_process(pid_file: Path, timeout_s: float) -> None:
    """Give the process of this file `timeout_s` to end by itself, then kill it."""
    await asyncio.to_thread(_end_process, pid_file, timeout_s)


def _end_process(pid_file: Path, timeout_s: float) -> None:
    process = processes.read_pid_file(pid_file)
    try:
        if process is not None:
            _wait_then_kill(process, timeout_s)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
    finally:
        pid_file.unlink(missing_ok=True)


def _wait_then_kill(process: psutil.Process, timeout_s: float) -> None:
    # A pidfd reports the end itself; other ways wait until the parent has also collected the zombie.
    pidfd = os.pidfd_open(process.pid)
    try:
        ended, _, _ = select.select([pidfd], [], [], timeout_s)
        if not ended:
            process.kill()
            select.select([pidfd], [], [], _KILL_TIMEOUT_S)
    finally:
        os.close(pidfd)
