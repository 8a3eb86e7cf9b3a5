"""A driver's process, and the protocol with it (lines.js has it). What a call means may not be decided here."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

_PREFIX = b"@peer "
_CALL_TIMEOUT_S = 40.0
_EVENT_TIMEOUT_S = 15.0
_CLOSE_TIMEOUT_S = 15.0
_LINE_LIMIT = 16 << 20

Event = dict[str, Any]


class Missed(Exception):
    """The client cannot do it here. The message is the reason, in one line."""


class Driver:
    """A running driver. It prints into `log` whatever is not part of the protocol."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.events: list[Event] = []
        self._process = process
        self._numbers = itertools.count(1)
        self._open_calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read(log))

    @classmethod
    async def start(cls, command: list[str], environment: dict[str, str], log: Path) -> "Driver":
        """Start the driver; its errors go to the log too."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=environment,
                limit=_LINE_LIMIT,
            )
        return cls(process, log)

    async def call(self, name: str, args: dict[str, Any]) -> Any:
        """The answer to a call. Raises Missed when the client fails or does not answer in time."""
        number = next(self._numbers)
        answer = self._open_calls[number] = asyncio.get_running_loop().create_future()
        request = {"n": number, "call": name, "args": args}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        try:
            reply = await asyncio.wait_for(answer, _CALL_TIMEOUT_S)
        except TimeoutError:
            raise Missed(f"{name}: no answer in {_CALL_TIMEOUT_S:.0f} s") from None
        finally:
            del self._open_calls[number]
        if "error" in reply:
            raise Missed(f"{name}: {reply['error']}")
        return reply["value"]

    async def wait_event(
        self,
        name: str,
        condition: Callable[[Event], bool] = lambda _: True,
        timeout_s: float = _EVENT_TIMEOUT_S,
    ) -> Event:
        """The first event of this name that fulfils the condition, also one of the past. Raises Missed."""
        return await self.wait_any(
            0,
            lambda event: event["event"] == name and condition(event),
            f"event `{name}`",
            timeout_s,
        )

    async def wait_any(
        self,
        position: int,
        condition: Callable[[Event], bool],
        description: str,
        timeout_s: float = _EVENT_TIMEOUT_S,
    ) -> Event:
        """The first event from this position on that fulfils the condition.

        Raises Missed when none comes in time, or when the client reports that it has failed.
        """
        async with self._changed:
            try:
                await asyncio.wait_for(
                    self._changed.wait_for(lambda: self._find(position, condition)), timeout_s
                )
            except TimeoutError:
                raise Missed(f"no {description} in {timeout_s:.0f} s") from None
        event = self._find(position, condition)
        assert event is not None
        return event

    def _find(self, position: int, condition: Callable[[Event], bool]) -> Event | None:
        for event in self.events[position:]:
            if condition(event):
                return event
            if event["event"] == "failed":
                raise Missed(f"the client failed: {event['reason']}")
        return None

    async def close(self) -> None:
        """Close the client and end the driver, with all of its processes if it does not end by itself."""
        family = self._list_processes()
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _CLOSE_TIMEOUT_S)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        await self._process.wait()
        await self._reader

    def _list_processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._process.pid)
            return [*parent.children(recursive=True), parent]
        return []

    async def _read(self, log: Path) -> None:
        assert self._process.stdout is not None
        with log.open("ab") as file:
            async for line in self._process.stdout:
                file.write(line)
                file.flush()
                if line.startswith(_PREFIX):
                    await self._receive(json.loads(line.removeprefix(_PREFIX)))
        await self._receive({"event": "failed", "reason": "the driver has ended"})

    async def _receive(self, message: dict[str, Any]) -> None:
        if "event" not in message:
            if message["n"] in self._open_calls:
                self._open_calls[message["n"]].set_result(message)
            return
        async with self._changed:
            self.events.append(message)
            self._changed.notify_all()
