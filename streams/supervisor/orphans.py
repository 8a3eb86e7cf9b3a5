"""Processes that a service left behind: adopted, reaped while we run, killed at the end.

A browser whose sender was killed is such a process. Only for a program whose children are all services.
"""

import contextlib
import ctypes
import os

import psutil

from streams.system import processes

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def adopt_orphans() -> None:
    """From now on, become the parent of every descendant that loses its own parent."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class OrphanReaper:
    """Collects the exit codes of dead orphans; otherwise the kernel could never reuse their pids."""

    def __init__(self) -> None:
        self._zombie_pids: set[int] = set()

    def reap(self) -> None:
        """Collect the children that were already dead at the previous call. Call it seconds apart.

        A child that we started is collected at once by the code that started it; two calls leave it
        the time to do so.
        """
        children = psutil.Process().children()
        zombie_pids = {child.pid for child in children if not processes.is_running(child.pid)}
        for pid in zombie_pids & self._zombie_pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._zombie_pids = zombie_pids


def kill_orphans(grace_s: float) -> list[str]:
    """Wait for every descendant to end, then kill the rest; returns the names of those."""
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
