"""`wa-streams up --sandbox` as a process, whose services a test kills."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

from streams.settings import Settings, to_environment


class RunningStack:
    """`wa-streams up --sandbox`, as a user runs it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        clean = {key: value for key, value in os.environ.items() if not key.startswith("WA_")}
        self._environment = clean | to_environment(settings)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "up", "--sandbox", "--json"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def wait_until_ready(self) -> dict[str, Any]:
        """The status that it prints once everything is ready."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"up ended with {self._process.wait()}"
        return json.loads(line)

    def services(self) -> dict[str, dict[str, Any]]:
        """Every service by its name, as in `ps --json`."""
        ps = subprocess.run(
            [sys.executable, "-m", "streams.cli", "ps", "--json"],
            env=self._environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        return {service["name"]: service for service in json.loads(ps.stdout)["parts"]}

    def kill(self, name: str) -> bool:
        """SIGKILL a service; returns False if it has no process at this moment."""
        pid = self.services().get(name, {}).get("pid")
        if not pid:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def stop(self) -> None:
        """Stop it, as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=90)
