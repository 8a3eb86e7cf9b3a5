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

from streams.operations.errors import CommandError, Failed, Wrong
from streams.supervisor.backoff import Backoff, Patience
from streams.supervisor.process import bound_log, last_line

_WRONG = Wrong.exit_code
_ASK_EVERY_S = 0.2
_ASK_READY_EVERY_S = 1.0


class State(StrEnum):
    """Where a part stands; the words of `ps`."""

    STARTING = "starting"
    READY = "ready"
    BACKOFF = "backoff"
    FAILED = "failed"
    STOPPED = "stopped"


class Running(Protocol):
    """A started process."""

    @property
    def pid(self) -> int:
        """Its id."""
        ...

    async def wait(self) -> int:
        """The exit code, once it has one."""
        ...

    async def end(self, grace_s: float) -> int:
        """Ask it to end, and make it end after so many seconds."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a part answered; `why` is in one line what it waits for. Not `up`: it does not answer yet."""

    ready: bool
    why: str = ""
    up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a part is run. `ready` is asked with the pid; `grace_s` is given to end by itself;
    `endings` names exit codes that have a meaning of their own.
    """

    name: str
    start: Callable[[], Awaitable[Running]]
    ready: Callable[[int], Awaitable[Readiness]]
    log: Path
    grace_s: float
    patience: Patience = field(default_factory=Patience)
    endings: Mapping[int, str] = field(default_factory=dict[int, str])


class Part:
    """A part that runs until it is stopped."""

    def __init__(
        self, plan: Plan, *, changed: Callable[["Part"], None], chance: Callable[[], float]
    ) -> None:
        self.plan = plan
        self.state = State.STOPPED
        self.why = ""
        self.restarts = 0
        self._process: Running | None = None
        self._was_up = False
        self._changed = changed
        self._backoff = Backoff(plan.patience, chance)
        self._stop = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def name(self) -> str:
        """Its name in `ps`, its log and its run file."""
        return self.plan.name

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None else self._process.pid

    async def run(self) -> None:
        """Keep it running; returns when it is stopped or has failed for good."""
        while not self._stop.is_set():
            started_s = time.monotonic()
            ending = await self._once()
            if self._stop.is_set():
                break
            if ending.code == _WRONG and not self._was_up:
                self._set(State.FAILED, ending.why)
                return
            delay_s = self._backoff.ended(time.monotonic() - started_s)
            self._set(State.BACKOFF, f"{ending.why}; starts again in {delay_s:.1f} s")
            await self._stopped_within(delay_s)
            self.restarts += 1
        self._set(State.STOPPED)

    async def until_ready(self) -> None:
        """Returns when it is ready. Raises Wrong when it failed for good, Failed when it was stopped."""
        while self.state is not State.READY:
            if self.state is State.FAILED:
                raise Wrong(f"{self.name}: {self.why or 'ended'} (log: {self.plan.log})")
            if self._stop.is_set():
                raise Failed(f"{self.name}: was stopped before it was ready")
            self._news.clear()
            await self._news.wait()

    async def stop(self) -> None:
        """End the process, at the latest after its grace, and start no other."""
        self._stop.set()
        self._news.set()
        if self._process is not None:
            await self._process.end(self.plan.grace_s)

    def kill(self) -> None:
        """End the process at once. Alone it is started again; after `stop` it is the harder way."""
        if self._process is not None:
            self._process.kill()

    async def _once(self) -> "_Ending":
        """Start the process and watch it until it ends."""
        self._set(State.STARTING)
        try:
            self._process = await self.plan.start()
        except OSError as error:
            return _Ending(_WRONG, f"cannot be started: {error}")
        except CommandError as error:
            return _Ending(error.exit_code, str(error))
        try:
            if self._stop.is_set():  # it was stopped while it was being started
                return self._ending(await self._process.end(self.plan.grace_s))
            self._changed(self)  # its pid is known now
            return self._ending(await self._watch(self._process))
        except BaseException:  # a fault of ours: nobody would watch it any more
            self._process.kill()
            await self._process.wait()
            raise
        finally:
            self._process = None

    def _ending(self, code: int) -> "_Ending":
        if code == _WRONG:
            said = last_line(self.plan.log).removeprefix("wa-streams: ")
            return _Ending(code, said.removeprefix(f"{self.name}: ") or "a setting is wrong")
        if code < 0:
            return _Ending(code, f"was ended by {signal.Signals(-code).name}")
        name = self.plan.endings.get(code)
        if name is None:
            return _Ending(code, f"ended with code {code}")
        reason = self._reason(f" (exit {code}, {name})")
        return _Ending(code, f"ended with code {code}, {name}" + (f": {reason}" if reason else ""))

    def _reason(self, mark: str) -> str:
        """What the program said last with this at its end, as workers do (runtime/exit_codes.py)."""
        said = last_line(self.plan.log, mark).removesuffix(mark)
        _, logged, message = said.partition(" CRITICAL ")
        return message.partition(": ")[2] if logged else said

    async def _watch(self, process: Running) -> int:
        ended = asyncio.ensure_future(process.wait())
        asking = asyncio.ensure_future(self._ask(process.pid))
        try:
            await asyncio.wait({ended, asking}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done() and not ended.done():
                asking.result()  # it never returns: what it raised is a fault of ours
            return await ended
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def _ask(self, pid: int) -> None:
        while True:
            answer = await self.plan.ready(pid)
            self._was_up |= answer.up
            if not self._stop.is_set():
                self._set(State.READY if answer.ready else State.STARTING, answer.why)
            bound_log(self.plan.log)
            await asyncio.sleep(_ASK_READY_EVERY_S if answer.ready else _ASK_EVERY_S)

    def _set(self, state: State, why: str = "") -> None:
        if (self.state, self.why) == (state, why):
            return
        self.state, self.why = state, why
        self._news.set()
        self._changed(self)

    async def _stopped_within(self, delay_s: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), delay_s)
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a process ended, or why it never began."""

    code: int
    why: str
