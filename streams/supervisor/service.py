"""One part of the whole: a process that is started, watched, started again when it ends, and stopped.

    starting ──ready──▶ ready ──not ready──▶ starting
        │                 │
        └───── ended ─────┴──▶ backoff ──waited──▶ starting
                          └──▶ failed     (exit code 2 before it ever answered: a wrong
        any ──stop──▶ stopped              setting, which is not cured by trying again)

Knows nothing of what the part does: it gets a way to start it and a question whether it is ready.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from streams.logs import read_message
from streams.operations.errors import CommandError, CommandFailed, UsageError
from streams.supervisor.backoff import Backoff, BackoffPolicy
from streams.supervisor.process import read_last_line, rotate_log

_USAGE_EXIT_CODE = UsageError.exit_code
_STARTING_POLL_INTERVAL_S = 0.2
_READY_POLL_INTERVAL_S = 1.0


class ServiceState(StrEnum):
    """Where a part stands; the words of `ps`."""

    STARTING = "starting"
    READY = "ready"
    BACKOFF = "backoff"
    FAILED = "failed"
    STOPPED = "stopped"


class RunningProcess(Protocol):
    """A started process."""

    @property
    def pid(self) -> int:
        """Its id."""
        ...

    async def wait_for_exit(self) -> int:
        """The exit code, once it has one."""
        ...

    async def stop(self, grace_s: float) -> int:
        """Ask it to end, and make it end after so many seconds."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a part answered; `why` is in one line what it waits for. Not `up`: it does not answer yet."""

    is_ready: bool
    reason: str = ""
    is_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """How a part is run. `ready` is asked with the pid; `grace_s` is given to end by itself;
    `endings` names exit codes that have a meaning of their own.
    """

    name: str
    start: Callable[[], Awaitable[RunningProcess]]
    probe: Callable[[int], Awaitable[Readiness]]
    log: Path
    grace_s: float
    backoff_policy: BackoffPolicy = field(default_factory=BackoffPolicy)
    exit_names: Mapping[int, str] = field(default_factory=dict[int, str])


class Service:
    """A part that runs until it is stopped."""

    def __init__(
        self,
        spec: ServiceSpec,
        *,
        on_change: Callable[["Service"], None],
        jitter: Callable[[], float],
    ) -> None:
        self.spec = spec
        self.state = ServiceState.STOPPED
        self.reason = ""
        self.restarts = 0
        self._process: RunningProcess | None = None
        self._has_been_up = False
        self._on_change = on_change
        self._backoff = Backoff(spec.backoff_policy, jitter)
        self._stop_requested = asyncio.Event()
        self._state_changed = asyncio.Event()

    @property
    def name(self) -> str:
        """Its name in `ps`, its log and its run file."""
        return self.spec.name

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None else self._process.pid

    async def run(self) -> None:
        """Keep it running; returns when it is stopped or has failed for good."""
        while not self._stop_requested.is_set():
            started_s = time.monotonic()
            process_exit = await self._run_once()
            if self._stop_requested.is_set():
                break
            if process_exit.code == _USAGE_EXIT_CODE and not self._has_been_up:
                self._set_state(ServiceState.FAILED, process_exit.reason)
                return
            delay_s = self._backoff.record_exit(time.monotonic() - started_s)
            self._set_state(
                ServiceState.BACKOFF, f"{process_exit.reason}; starts again in {delay_s:.1f} s"
            )
            await self._wait_for_stop(delay_s)
            self.restarts += 1
        self._set_state(ServiceState.STOPPED)

    async def wait_until_ready(self) -> None:
        """Returns when it is ready. Raises Wrong when it failed for good, Failed when it was stopped."""
        while self.state is not ServiceState.READY:
            if self.state is ServiceState.FAILED:
                raise UsageError(f"{self.name}: {self.reason or 'ended'} (log: {self.spec.log})")
            if self._stop_requested.is_set():
                raise CommandFailed(f"{self.name}: was stopped before it was ready")
            self._state_changed.clear()
            await self._state_changed.wait()

    async def stop(self) -> None:
        """End the process, at the latest after its grace, and start no other."""
        self._stop_requested.set()
        self._state_changed.set()
        if self._process is not None:
            await self._process.stop(self.spec.grace_s)

    def kill(self) -> None:
        """End the process at once. Alone it is started again; after `stop` it is the harder way."""
        if self._process is not None:
            self._process.kill()

    async def _run_once(self) -> "_ProcessExit":
        """Start the process and watch it until it ends."""
        self._set_state(ServiceState.STARTING)
        try:
            self._process = await self.spec.start()
        except OSError as error:
            return _ProcessExit(_USAGE_EXIT_CODE, f"cannot be started: {error}")
        except CommandError as error:
            return _ProcessExit(error.exit_code, str(error))
        try:
            if self._stop_requested.is_set():  # it was stopped while it was being started
                return self._describe_exit(await self._process.stop(self.spec.grace_s))
            self._on_change(self)  # its pid is known now
            return self._describe_exit(await self._watch(self._process))
        except BaseException:  # a fault of ours: nobody would watch it any more
            self._process.kill()
            await self._process.wait_for_exit()
            raise
        finally:
            self._process = None

    def _describe_exit(self, code: int) -> "_ProcessExit":
        if code == _USAGE_EXIT_CODE:
            line = read_last_line(self.spec.log).removeprefix("wa-streams: ")
            return _ProcessExit(code, line.removeprefix(f"{self.name}: ") or "a setting is wrong")
        if code < 0:
            return _ProcessExit(code, f"was ended by {signal.Signals(-code).name}")
        name = self.spec.exit_names.get(code)
        if name is None:
            return _ProcessExit(code, f"ended with code {code}")
        reason = self._read_exit_reason(f" (exit {code}, {name})")
        return _ProcessExit(
            code, f"ended with code {code}, {name}" + (f": {reason}" if reason else "")
        )

    def _read_exit_reason(self, suffix: str) -> str:
        """What the program said last with this at its end, as workers do (runtime/exit_codes.py)."""
        return read_message(read_last_line(self.spec.log, suffix)).removesuffix(suffix)

    async def _watch(self, process: RunningProcess) -> int:
        exit_task = asyncio.ensure_future(process.wait_for_exit())
        poll_task = asyncio.ensure_future(self._poll_readiness(process.pid))
        try:
            await asyncio.wait({exit_task, poll_task}, return_when=asyncio.FIRST_COMPLETED)
            if poll_task.done() and not exit_task.done():
                poll_task.result()  # it never returns: what it raised is a fault of ours
            return await exit_task
        finally:
            poll_task.cancel()
            await asyncio.wait({poll_task})

    async def _poll_readiness(self, pid: int) -> None:
        while True:
            readiness = await self.spec.probe(pid)
            self._has_been_up |= readiness.is_up
            if not self._stop_requested.is_set():
                self._set_state(
                    ServiceState.READY if readiness.is_ready else ServiceState.STARTING,
                    readiness.reason,
                )
            rotate_log(self.spec.log)
            await asyncio.sleep(
                _READY_POLL_INTERVAL_S if readiness.is_ready else _STARTING_POLL_INTERVAL_S
            )

    def _set_state(self, state: ServiceState, reason: str = "") -> None:
        if (self.state, self.reason) == (state, reason):
            return
        self.state, self.reason = state, reason
        self._state_changed.set()
        self._on_change(self)

    async def _wait_for_stop(self, timeout_s: float) -> None:
        try:
            await asyncio.wait_for(self._stop_requested.wait(), timeout_s)
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class _ProcessExit:
    """How a process ended, or why it never began."""

    code: int
    reason: str
