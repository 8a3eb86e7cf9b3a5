"""A child process: started, awaited, stopped. It cannot outlive this process. Decides nothing about restarts.

Each child has a session of its own, so Ctrl-C in the terminal does not reach it: the supervisor stops
its services in their order.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streams.system.parent_death import bind_to_this_process


class Process:
    """A running program, in a process group of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, command: Sequence[str], environ: Mapping[str, str], log: Path
    ) -> "Process":
        """Start a program; `command[0]` is a path. Its stdout and stderr are appended to `log`.

        Raises OSError if it cannot be started.
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
        """The process id, which is also the id of the process group."""
        return self._process.pid

    async def wait_for_exit(self) -> int:
        """Return the exit code; it is minus the signal's number if a signal ended the process."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Send SIGTERM to the program alone: it stops its own children in its own order."""
        self._send_signal(signal.SIGTERM, os.kill)

    def kill(self) -> None:
        """Kill the program and its process group at once."""
        self._send_signal(signal.SIGKILL, os.killpg)

    async def stop(self, grace_s: float) -> int:
        """Terminate it, and kill it after `grace_s` seconds. Returns the exit code."""
        self.terminate()
        try:
            async with asyncio.timeout(grace_s):
                return await self.wait_for_exit()
        except TimeoutError:
            self.kill()
            return await self.wait_for_exit()

    def _send_signal(self, number: signal.Signals, send: Callable[[int, int], None]) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                send(self.pid, number)


async def wait_for_exit(pid: int) -> None:
    """Return when this child has ended. Its exit code is left to the code that started it."""
    loop = asyncio.get_running_loop()
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:  # its exit code has been collected already
        return
    exited = asyncio.Event()
    loop.add_reader(pidfd, exited.set)
    try:
        await exited.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
