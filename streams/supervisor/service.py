"""One service: a process that is started, watched, restarted when it ends, and stopped.

    starting ──ready──▶ ready ──not ready──▶ starting
        │                 │
        └───── ended ─────┴──▶ backoff ──waited──▶ starting
                          └──▶ failed     (exit code 2 before it was ever up: a wrong
        any ──stop──▶ stopped              setting, which a restart does not correct)

Knows nothing of what the service does: its spec brings the way to start it and its readiness probe.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from streams.domain.backoff import Backoff, BackoffSeries
from streams.operations.errors import CommandError, CommandFailed, UsageError
from streams.supervisor.exit_reason import ProcessExit, describe_exit
from streams.supervisor.log_file import rotate_log
from streams.system.files import describe_full_disk, is_disk_full
from streams.system.tasks import race

_STARTING_POLL_INTERVAL_S = 0.2
_READY_POLL_INTERVAL_S = 1.0
# Half of each delay is random: services that died together do not come back together.
RESTART_BACKOFF: Final = Backoff(base_delay_s=0.5, max_delay_s=30.0, jitter=0.5)
_RESTART_RESET_S = 60.0


class ServiceState(StrEnum):
    """The state of a service, in the words that `ps` prints."""

    STARTING = "starting"
    READY = "ready"
    BACKOFF = "backoff"
    FAILED = "failed"
    STOPPED = "stopped"


class RunningProcess(Protocol):
    """A started process."""

    @property
    def pid(self) -> int:
        """The process id."""
        ...

    async def wait_for_exit(self) -> int:
        """Return the exit code, once the process has ended."""
        ...

    async def stop(self, grace_s: float) -> int:
        """Terminate it, kill it after this many seconds, and return the exit code."""
        ...

    def kill(self) -> None:
        """Kill it at once."""
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer of a probe. `reason` says in one line what the service waits for.

    `is_up` is false as long as the service does not answer at all.
    """

    is_ready: bool
    reason: str = ""
    is_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """How to run a service.

    `probe` gets the pid. A stop leaves the service `grace_s` seconds to end by itself. `exit_names`
    names the exit codes that have a meaning of their own.
    """

    name: str
    start: Callable[[], Awaitable[RunningProcess]]
    probe: Callable[[int], Awaitable[Readiness]]
    log: Path
    grace_s: float
    restart_backoff: Backoff = RESTART_BACKOFF
    exit_names: Mapping[int, str] = field(default_factory=dict[int, str])


class Service:
    """A service that runs until it is stopped."""

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
        self._backoff = BackoffSeries(
            spec.restart_backoff, reset_after_s=_RESTART_RESET_S, random_fraction=jitter
        )
        self._stop_requested = asyncio.Event()
        self._state_changed = asyncio.Event()

    @property
    def name(self) -> str:
        """The name in `ps`, of the log and of the run file."""
        return self.spec.name

    @property
    def pid(self) -> int | None:
        """The pid of the current process."""
        return None if self._process is None else self._process.pid

    async def run(self) -> None:
        """Keep it running; returns when it is stopped or has failed for good."""
        while not self._stop_requested.is_set():
            started_s = time.monotonic()
            process_exit = await self._run_once()
            if self._stop_requested.is_set():
                break
            if process_exit.code == UsageError.exit_code and not self._has_been_up:
                self._set_state(ServiceState.FAILED, process_exit.reason)
                return
            delay_s = self._backoff.record_failure(uptime_s=time.monotonic() - started_s)
            self._set_state(
                ServiceState.BACKOFF, f"{process_exit.reason}; restart in {delay_s:.1f} s"
            )
            await self._wait_for_stop(delay_s)
            self.restarts += 1
        self._set_state(ServiceState.STOPPED)

    async def wait_until_ready(self) -> None:
        """Return when it is ready.

        Raises:
            UsageError: it has failed for good.
            CommandFailed: it was stopped before it was ready.
        """
        while self.state is not ServiceState.READY:
            if self.state is ServiceState.FAILED:
                raise UsageError(f"{self.name}: {self.reason or 'ended'} (log: {self.spec.log})")
            if self._stop_requested.is_set():
                raise CommandFailed(f"{self.name}: was stopped before it was ready")
            self._state_changed.clear()
            await self._state_changed.wait()

    async def stop(self) -> None:
        """Stop the process, within its grace period, and start no other."""
        self._stop_requested.set()
        self._state_changed.set()
        if self._process is not None:
            await self._process.stop(self.spec.grace_s)

    def kill(self) -> None:
        """Kill the process at once. It is restarted, unless `stop` was called."""
        if self._process is not None:
            self._process.kill()

    async def _run_once(self) -> ProcessExit:
        """Start the process and watch it until it ends."""
        self._set_state(ServiceState.STARTING)
        try:
            self._process = await self.spec.start()
        except OSError as error:
            if is_disk_full(error):
                return ProcessExit(CommandFailed.exit_code, describe_full_disk(error.filename))
            return ProcessExit(UsageError.exit_code, f"cannot be started: {error}")
        except CommandError as error:
            return ProcessExit(error.exit_code, str(error))
        try:
            if self._stop_requested.is_set():  # requested while the process was starting
                return self._describe_exit(await self._process.stop(self.spec.grace_s))
            self._on_change(self)  # the pid is known now
            return self._describe_exit(await self._watch(self._process))
        except BaseException:  # a bug of ours: nothing would watch the process any more
            self._process.kill()
            await self._process.wait_for_exit()
            raise
        finally:
            self._process = None

    def _describe_exit(self, code: int) -> ProcessExit:
        return describe_exit(code, self.name, self.spec.log, self.spec.exit_names)

    async def _watch(self, process: RunningProcess) -> int:
        """Return the exit code, once the process has ended. The probe never ends; it may raise."""
        return await race(process.wait_for_exit(), self._poll_readiness(process.pid))

    async def _poll_readiness(self, pid: int) -> int:
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
            async with asyncio.timeout(timeout_s):
                await self._stop_requested.wait()
        except TimeoutError:
            return
