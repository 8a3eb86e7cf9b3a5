"""Starts a program that cannot outlive this process, and locks its folder against other processes.

A process that is killed cleans up nothing, so neither depends on this process being alive: the kernel kills the child
when this process dies, and the child inherits the lock, which is held as long as either of them lives.
"""

import fcntl
import os
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import psutil

from streams.system.parent_death import bind_to_this_process

_ORPHAN_EXIT_TIMEOUT_S = 10.0
_POLL_INTERVAL_S = 0.02

# The kernel sends the signal when the *thread* that forked ends. This one ends with the process.
_forker = ThreadPoolExecutor(1, thread_name_prefix="forker")


class DirectoryInUse(RuntimeError):
    """Another live process owns the folder; `pid` is its process id, None if it left none."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        super().__init__(f"{directory} is in use by process {pid or 'unknown'}")
        self.pid = pid


def start(
    command: Sequence[str],
    *,
    directory: Path,
    output: IO[bytes],
    lock: "DirectoryLock",
    env: dict[str, str],
) -> "subprocess.Popen[bytes]":
    """Start `command` in `directory`, in a session of its own: Ctrl-C must only reach this process, which ends it."""

    def fork() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            bind_to_this_process(command),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(lock.fileno(),),
            env=env,
            start_new_session=True,
        )

    return _forker.submit(fork).result()


def stop(process: "subprocess.Popen[bytes]", timeout_s: float) -> int:
    """Ask it to end, kill it if it does not, and return its exit code."""
    process.terminate()
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class DirectoryLock:
    """Makes one process the owner of a folder. Must not be copied into another process by `fork` alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def fileno(self) -> int:
        """The descriptor; a process that inherits it holds the lock too."""
        assert self._descriptor is not None, "the lock is not held"
        return self._descriptor

    @property
    def is_held(self) -> bool:
        """Whether this process holds it."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Become the owner. Waits for the child of a dead owner while the kernel is still killing it.

        Raises:
            DirectoryInUse: there is a live owner.
        """
        descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for_lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        this_process = psutil.Process()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{this_process.pid} {this_process.create_time()}".encode(), 0)
        self._descriptor = descriptor

    def _wait_for_lock(self, descriptor: int) -> None:
        deadline_s = time.monotonic() + _ORPHAN_EXIT_TIMEOUT_S
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner_pid = _live_owner_pid(descriptor)
                if owner_pid is not None or time.monotonic() > deadline_s:
                    raise DirectoryInUse(self._directory, owner_pid) from None
            time.sleep(_POLL_INTERVAL_S)

    def release(self) -> None:
        """Let another process become the owner, once our child has ended too."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _live_owner_pid(descriptor: int) -> int | None:
    """The process that wrote its id into the lock, if it is alive."""
    fields = os.pread(descriptor, 100, 0).split()
    if len(fields) != 2:
        return None
    try:
        owner = psutil.Process(int(fields[0]))
        return owner.pid if owner.create_time() == float(fields[1]) else None
    except psutil.NoSuchProcess:
        return None
