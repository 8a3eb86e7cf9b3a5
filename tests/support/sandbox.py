"""The sandbox's process for tests: one for the session, with a clean world for each test.

Tests reach the control interface through the shipped client (streams/sandbox/client.py) alone.
"""

import asyncio
import contextlib
import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams.sandbox.client import AsyncSandboxClient, SandboxClient

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: the URL of its control interface, and the arguments for a Chromium."""

    control_url: str
    browser_args: tuple[str, ...]
    pid: int

    def reset(self) -> None:
        """Start a clean world."""
        self.client.reset()

    @property
    def client(self) -> SandboxClient:
        """A client that blocks."""
        return SandboxClient(self.control_url)


class SandboxControl(AsyncSandboxClient):
    """The shipped client, with a mark: a sandbox that tests share is not reset between them."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._mark_seq = 0

    async def set_mark(self) -> None:
        """From now on, "new" messages are those that arrive after this."""
        self._mark_seq = max((row["seq"] for row in await self.fetch_log()), default=0)

    async def fetch_new_messages(self) -> list[dict[str, Any]]:
        """Every message that has arrived since the mark."""
        return await self.fetch_log(self._mark_seq)

    async def fetch_new_ids(self) -> list[str]:
        """The ids of the messages since the mark, repeats included."""
        return [row["whatsapp_id"] for row in await self.fetch_new_messages()]

    async def post(self, path: str, body: Any) -> Any:
        """A raw POST, which may also be wrong."""
        return await asyncio.to_thread(self._client._call, "POST", path, body)


@contextlib.contextmanager
def run_sandbox(data_dir: Path, *options: str) -> Iterator[tuple[Sandbox, subprocess.Popen[str]]]:
    """A sandbox for one test, which may kill it. It ends with the block."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streams.sandbox",
            "--json",
            f"--data-dir={data_dir}",
            "--port=0",
            *options,
        ],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_die_with_parent,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the sandbox ended with {process.wait(10)}"
        info = json.loads(line)
        yield Sandbox(info["url"], tuple(info["browser_args"]), process.pid), process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The session's sandbox. Tests use `sandbox`."""
    with run_sandbox(tmp_path_factory.mktemp("sandbox")) as (sandbox, _):
        yield sandbox


@pytest.fixture(scope="module")
def module_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox of one module, for tests that share a linked driver. It is never reset."""
    with run_sandbox(tmp_path_factory.mktemp("sandbox")) as (sandbox, _):
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """The session's sandbox, with a clean world."""
    sandbox_process.reset()
    return sandbox_process
