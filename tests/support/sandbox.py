"""The sandbox process for tests: one for the session, a clean world for each test."""

import contextlib
import ctypes
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: where its control is, and with what a Chromium meets it."""

    control_url: str
    browser_args: tuple[str, ...]
    pid: int

    def reset(self) -> None:
        """Nothing has happened yet."""
        request = urllib.request.Request(f"{self.control_url}/reset", method="POST")
        with urllib.request.urlopen(request, timeout=30) as response:
            assert response.status == 200


@contextlib.contextmanager
def run_sandbox(data_dir: Path, *options: str) -> Iterator[tuple[Sandbox, subprocess.Popen[str]]]:
    """A sandbox of one's own, to be killed or told apart; ends with the block."""
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
    """The session's sandbox; tests ask for `sandbox`."""
    with run_sandbox(tmp_path_factory.mktemp("sandbox")) as (sandbox, _):
        yield sandbox


@pytest.fixture(scope="module")
def module_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One that is a module's own, for tests that share what is linked to it; nobody resets it."""
    with run_sandbox(tmp_path_factory.mktemp("sandbox")) as (sandbox, _):
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """The session's sandbox with a clean world."""
    sandbox_process.reset()
    return sandbox_process
