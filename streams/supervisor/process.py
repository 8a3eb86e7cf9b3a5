"""A process of ours: started, waited for, ended. It cannot outlive us. Decides nothing about restarts.

Its own session keeps a Ctrl-C in the terminal from it: the supervisor ends its parts in their order.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from streams.system.parent_death import bind_to_this_process

MAX_LOG_BYTES = 8 << 20  # of one log; as much again is kept of what came before
_PR_SET_CHILD_SUBREAPER = 36


class Process:
    """A program that runs, in a process group of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, command: Sequence[str], environ: Mapping[str, str], log: Path
    ) -> "Process":
        """Start it; `command[0]` is a path. Both outputs are appended to `log`.

        Raises OSError when it cannot be started.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *bind_to_this_process(command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environ),
                start_new_session=True,
            )
        return cls(process)

    @property
    def pid(self) -> int:
        """Its id, which is its group's too."""
        return self._process.pid

    async def wait_for_exit(self) -> int:
        """The exit code; minus the signal's number when one ended it."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Ask it to end. Only the program itself: it ends what it started in its own order."""
        self._send_signal(signal.SIGTERM, os.kill)

    def kill(self) -> None:
        """End it and its group at once."""
        self._send_signal(signal.SIGKILL, os.killpg)

    async def stop(self, grace_s: float) -> int:
        """Ask it to end, and make it end after `grace_s` seconds; returns the exit code."""
        self.terminate()
        try:
            return await asyncio.wait_for(self.wait_for_exit(), grace_s)
        except TimeoutError:
            self.kill()
            return await self.wait_for_exit()

    def _send_signal(self, number: signal.Signals, send: Callable[[int, int], None]) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                send(self.pid, number)


async def wait_for_exit(pid: int) -> None:
    """Returns when this child has ended; it is left to be collected by whoever started it."""
    loop = asyncio.get_running_loop()
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:  # collected already
        return
    exited = asyncio.Event()
    loop.add_reader(pidfd, exited.set)
    try:
        await exited.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def adopt_orphans() -> None:
    """From now on what our parts leave behind becomes ours, so that it can be found and ended."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class OrphanReaper:
    """What parts left behind and has ended since: it must be collected, or its number is never free."""

    def __init__(self) -> None:
        self._zombie_pids: set[int] = set()

    def reap(self) -> None:
        """Collect what was dead at the last call too. What we started is collected by its starter, at
        once: so call this seconds apart.
        """
        children = psutil.Process().children()
        zombie_pids = {each.pid for each in children if _is_zombie(each)}
        for pid in zombie_pids & self._zombie_pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._zombie_pids = zombie_pids


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_orphans(grace_s: float) -> list[str]:
    """Wait for every process below us to end, then kill what is left; returns the names of those.

    Only for a process that has no other children than those of its parts.
    """
    orphans = psutil.Process().children(recursive=True)
    _, alive = psutil.wait_procs(orphans, timeout=grace_s)
    killed = [name for name in map(_kill, alive) if name]
    psutil.wait_procs(alive, timeout=grace_s)
    return killed


def _kill(process: psutil.Process) -> str | None:
    try:
        name = process.name()
        process.kill()
    except psutil.NoSuchProcess:
        return None
    return name


def rotate_log(log: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Begin the file anew once it is too long; what it held is kept as `<name>.1`.

    The program goes on writing to the same file, at its new end: the file is copied and cut, since
    it cannot be taken away from a writer that does not know of us. A line written in that moment
    may be lost; a pipe through us instead would stop the program whenever we are stopped.
    """
    try:
        if log.stat().st_size <= max_bytes:
            return
    except FileNotFoundError:
        return
    with contextlib.suppress(
        OSError
    ):  # on a full disk the old lines are lost: to go on matters more
        shutil.copyfile(log, log.with_name(log.name + ".1"))
    os.truncate(log, 0)


def read_last_line(log: Path, containing: str = "") -> str:
    """The last line that says something, and holds this; or nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    stripped = (line.strip() for line in reversed(lines))
    return next((line for line in stripped if line and containing in line), "")
