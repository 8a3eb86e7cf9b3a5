"""Starts a program that cannot outlive this process, and keeps others off its folder.

Who is killed cleans up nothing, so neither rests on our being alive: the kernel kills the child when
we are gone, and a lock that the child inherits is held for as long as either of us lives.
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

from streams.system.parent_death import dying_with_us

_DEAD_OWNERS_CHILD_LEAVES_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.02

# The kernel sends the signal when the *thread* that forked ends. This one ends with the process.
_forker = ThreadPoolExecutor(1, thread_name_prefix="forker")


class FolderInUse(RuntimeError):
    """Another live process owns the folder; `pid` is its number, None if it left none."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        super().__init__(f"{folder} is in use by process {pid or 'unknown'}")
        self.pid = pid


def start(
    command: Sequence[str],
    *,
    folder: Path,
    output: IO[bytes],
    lock: "FolderLock",
    environment: dict[str, str],
) -> "subprocess.Popen[bytes]":
    """Start `command` in `folder`, in a session of its own: Ctrl-C is for us, who end it at last."""

    def fork() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            dying_with_us(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(lock.fileno(),),
            env=environment,
            start_new_session=True,
        )

    return _forker.submit(fork).result()


def end(process: "subprocess.Popen[bytes]", within_s: float) -> int:
    """Ask it to end, kill it if it does not, and return its exit code."""
    process.terminate()
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class FolderLock:
    """One owner of a folder. Not to be copied into a process by `fork` alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def fileno(self) -> int:
        """The descriptor whose heirs hold the lock too."""
        assert self._file is not None, "the lock is not held"
        return self._file

    @property
    def held(self) -> bool:
        """Whether it is ours."""
        return self._file is not None

    def take(self) -> None:
        """Become the owner; what the kernel is still killing for a dead owner is waited for.

        Raises:
            FolderInUse: there is a live owner.
        """
        file = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(file)
        except BaseException:
            os.close(file)
            raise
        me = psutil.Process()
        os.ftruncate(file, 0)
        os.pwrite(file, f"{me.pid} {me.create_time()}".encode(), 0)
        self._file = file

    def _lock(self, file: int) -> None:
        deadline = time.monotonic() + _DEAD_OWNERS_CHILD_LEAVES_WITHIN_S
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = _owner(file)
                if owner is not None or time.monotonic() > deadline:
                    raise FolderInUse(self._folder, owner) from None
            time.sleep(_LOOK_EVERY_S)

    def give_back(self) -> None:
        """Let another become the owner, once our child has ended too."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _owner(file: int) -> int | None:
    """The process that wrote its name into the lock, if it lives."""
    said = os.pread(file, 100, 0).split()
    if len(said) != 2:
        return None
    try:
        owner = psutil.Process(int(said[0]))
        return owner.pid if owner.create_time() == float(said[1]) else None
    except psutil.NoSuchProcess:
        return None
