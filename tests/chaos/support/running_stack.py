"""`wa-streams up --sandbox` as a process, whose services a test kills or freezes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from streams.settings import Settings, load, to_environment


class RunningStack:
    """`wa-streams up --sandbox`, as a user runs it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        clean = {key: value for key, value in os.environ.items() if not key.startswith("WA_")}
        self.environment = clean | to_environment(settings)
        self._frozen: list[psutil.Process] = []
        self._process = subprocess.Popen(
            self.command("up", "--sandbox", "--json"),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def command(self, *words: str) -> list[str]:
        """A command of `wa-streams`, to be run with `environment`."""
        return [sys.executable, "-m", "streams.cli", *words]

    def wait_until_ready(self) -> dict[str, Any]:
        """The status that it prints once everything is ready."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"up ended with {self._process.wait()}"
        return json.loads(line)

    def services(self) -> dict[str, dict[str, Any]]:
        """Every service by its name, as in `ps --json`."""
        ps = subprocess.run(
            self.command("ps", "--json"),
            env=self.environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        return {service["name"]: service for service in json.loads(ps.stdout)["parts"]}

    def is_ready(self) -> bool:
        """Whether all services are ready."""
        return all(service["state"] == "ready" for service in self.services().values())

    def kill(self, name: str) -> bool:
        """SIGKILL a service; returns False if it has no process at this moment."""
        pid = self._find_pid(name)
        if not pid:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def freeze(self, name: str) -> bool:
        """SIGSTOP a service, and of a browser all processes; returns False if it has no process now."""
        pid = self._find_pid(name)
        if not pid:
            return False
        try:
            process = psutil.Process(pid)
            tree = process.children(recursive=True) if name.startswith("browser-") else []
            for frozen in (process, *tree):
                frozen.suspend()
                self._frozen.append(frozen)
        except psutil.NoSuchProcess:
            return False
        return True

    def resume(self) -> None:
        """SIGCONT everything that is frozen and was not ended meanwhile."""
        while self._frozen:
            with suppress(psutil.NoSuchProcess):
                self._frozen.pop().resume()

    def stop(self) -> None:
        """Stop it, as Ctrl-C does."""
        self.resume()
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=90)

    def _find_pid(self, name: str) -> int | None:
        return self.services().get(name, {}).get("pid")


@contextmanager
def run_stack(folder: Path, *, limit: int, **overrides: Any) -> Iterator[RunningStack]:
    """A running `up` with settings that make a test quick. `limit`: messages to one recipient in a minute."""
    defaults: dict[str, Any] = {
        "data_dir": str(folder / "data"),
        "kafka_port": 0,
        "web_port": 0,
        "sandbox_port": 0,
        "rate_limit_per_minute": limit,
        "account_rate_per_minute": 0,
        "send_interval_ms": 0,
        "retry_delay_ms": 500,
        "ack_timeout_s": 5,
        "kafka_session_timeout_s": 6,
    }
    stack = RunningStack(load({}, **(defaults | overrides)))
    try:
        yield stack
    finally:
        stack.stop()
