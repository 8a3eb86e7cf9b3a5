"""The whole service with a simulated WhatsApp, as processes of this machine, for tests of a program that sends.

It runs `wa-streams up --sandbox` on a folder of its own and on free ports, so several can run side by side. Nothing
outlives the process that starts it. Nothing here waits without a limit.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from streams.client import SyncWhatsApp
from streams.sandbox.client import SandboxClient
from streams.settings import PREFIX
from streams.supervisor.log_file import read_last_line
from streams.system.parent_death import bind_to_this_process

START_TIMEOUT_S = 600.0  # the first start of a machine downloads Kafka
MESSAGES_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.05
_LOG_TAIL_CHARACTERS = 2000

# These describe the machine; the other settings of the environment belong to a real service.
_MACHINE_SETTINGS = ("BROWSER_EXECUTABLE", "WHATSAPP_BUNDLE")
_DEFAULTS = {
    "KAFKA_PORT": "0",
    "WEB_PORT": "0",
    "SANDBOX_PORT": "0",
    "PARTITIONS": "1",
    "ACCOUNT_RATE_PER_MINUTE": "0",  # no pace: a test need not wait for it
    "CONFIG": "",
}


class StackFailed(RuntimeError):
    """The service did not start. The message has the end of its log."""


class SandboxStack:
    """A running service, used as a context manager.

    `kafka` is the address of its broker, `web` that of its console and HTTP API, and `sandbox` the simulated WhatsApp:
    it makes people write to an account, and injects faults.
    """

    kafka: str
    web: str
    sandbox: SandboxClient

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """`folder` must be empty; the logs stay there. `settings` are variables such as WA_RATE_LIMIT_PER_MINUTE."""
        self._folder = folder
        self._output = folder / "up.out"
        self._log = folder / "up.log"
        self._environ = _build_environ(folder, settings or {})

    def __enter__(self) -> Self:
        with self._output.open("wb") as output, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                bind_to_this_process(
                    [sys.executable, "-m", "streams.cli", "up", "--sandbox", "--json"]
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=self._environ,
                start_new_session=True,  # Ctrl-C is for the tests; they stop the service
            )
        try:
            status = orjson.loads(self._wait_for_status_line())
        except BaseException:
            self._stop()
            raise
        self.kafka = status["kafka"]
        self.web = status["web"]
        self.sandbox = SandboxClient(status["sandbox"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def connect(self) -> SyncWhatsApp:
        """A client of this service. The asynchronous one is `WhatsApp(kafka=stack.kafka)`."""
        return SyncWhatsApp(kafka=self.kafka)

    def wait_for_messages(
        self, to: str, count: int = 1, *, timeout_s: float = MESSAGES_TIMEOUT_S
    ) -> list[dict[str, Any]]:
        """What the phone `to` (`+60…`) shows once it shows at least `count` messages, oldest first.

        Each has `body`, `type`, `whatsapp_id`, `from` and `at`.

        Raises:
            TimeoutError: it still shows fewer; the text says how many.
        """

        def shown() -> list[dict[str, Any]]:
            log = self.sandbox.fetch_log()
            return [message for message in log if message["to"] == to and message["shown"]]

        if not _wait_until(lambda: len(shown()) >= count, timeout_s):
            raise TimeoutError(
                f"{to} shows {len(shown())} of {count} messages after {timeout_s:g} s; the logs are in {self._folder}"
            )
        return shown()

    def _wait_for_status_line(self) -> str:
        def has_ended() -> bool:
            return self._process.poll() is not None

        _wait_until(lambda: has_ended() or read_last_line(self._output), START_TIMEOUT_S)
        line = read_last_line(self._output)
        if line and not has_ended():
            return line
        reason = "ended" if has_ended() else f"was not ready after {START_TIMEOUT_S:g} s"
        tail = self._log.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:]
        raise StackFailed(f"`wa-streams up --sandbox` {reason}:\n{tail}")

    def _stop(self) -> None:
        """Stop the service in its own order; kill it if that takes too long."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _build_environ(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX) in _MACHINE_SETTINGS
    }
    defaults = {PREFIX + name: value for name, value in _DEFAULTS.items()}
    return inherited | defaults | {PREFIX + "DATA_DIR": str(folder / "data")} | dict(settings)


def _wait_until(condition: Callable[[], object], timeout_s: float) -> bool:
    """Whether the condition came true within the time. The processes give no event, so it polls."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_POLL_INTERVAL_S)
    return True
