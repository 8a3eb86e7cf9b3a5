"""The service as real processes, which a test starts, kills and watches.

Workers are started through the command line that users have.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from streams.settings import Settings, to_environment
from tests.support.waiting import WAIT_TIMEOUT_S, wait_until


@dataclass
class Worker:
    """One worker process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    run_file: Path

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def read_url(self) -> str | None:
        """The URL of its probes; None until it has written its run file."""
        try:
            run_file = json.loads(self.run_file.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return run_file["web"] if run_file["pid"] == self.process.pid else None

    async def is_ready(self) -> bool:
        """Whether its readiness probe answers 200."""
        assert self.is_alive, (
            f"{self.name} ended with {self.process.returncode}: {self.read_log_tail()}"
        )
        url = self.read_url()
        if url is None:
            return False
        try:
            async with aiohttp.request("GET", f"{url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def wait_until_ready(self, timeout_s: float = WAIT_TIMEOUT_S) -> None:
        """Wait until it is ready."""
        await wait_until(
            self.is_ready,
            timeout_s=timeout_s,
            message=f"{self.name} not ready: {self.read_log_tail()}",
        )

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal. After SIGKILL or SIGTERM, wait for its end."""
        self.process.send_signal(signum)
        if signum in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(30)

    def read_log_tail(self, characters: int = 3000) -> str:
        """The last part of its log."""
        return self.log.read_text(errors="replace")[-characters:]


@dataclass
class SystemUnderTest:
    """The service with topics, a data folder and workers of its own."""

    settings: Settings
    workers: list[Worker] = field(default_factory=list)

    def start_worker(self, *command: str, name: str, **environ: str) -> Worker:
        """Start a worker, for example `start_worker("dispatch", name="dispatch-1")`."""
        program = [sys.executable, "-m", "streams.cli", *command, "--name", name]
        return self.start_program(program, name=name, **environ)

    def start_program(
        self, program: list[str], *, name: str = "dispatch-1", **environ: str
    ) -> Worker:
        """Start any program in the place of this worker."""
        log = self.settings.data_dir / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        base_environ = {
            key: value for key, value in os.environ.items() if not key.startswith("WA_")
        }
        with log.open("ab") as out:
            process = subprocess.Popen(
                program,
                env=base_environ
                | to_environment(self.settings)
                | {"WA_WEB_PORT": "0", "WA_CONFIG": ""}
                | environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        run_file = self.settings.data_dir / "run" / f"{name}.json"
        worker = Worker(name, process, log, run_file)
        self.workers.append(worker)
        return worker

    def start_dispatcher(self, number: int = 1) -> Worker:
        """Start a dispatcher."""
        return self.start_worker("dispatch", name=f"dispatch-{number}")

    def start_sender(self, account: str = "main", number: int = 1) -> Worker:
        """Start a sender of the account."""
        suffix = "" if number == 1 else f"-{number}"
        return self.start_worker("sender", "--account", account, name=f"sender-{account}{suffix}")

    def delete_tables(self, name: str) -> None:
        """Delete the tables of an ended worker, but not its member id, as if it had lost its disk."""
        for folder in (self.settings.data_dir / "tables" / name).iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)

    def stop(self) -> None:
        """Stop every worker that still runs."""
        alive = [worker for worker in self.workers if worker.is_alive]
        for worker in alive:
            worker.process.send_signal(signal.SIGCONT)
            worker.process.send_signal(signal.SIGTERM)
        for worker in alive:
            try:
                worker.process.wait(15)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
