"""The code of the previous release, out of the history of this repository, and its workers on the data of a test.

It runs with the packages of this environment: an upgrade changes the code first. Nothing of the work tree is changed.
"""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

import pytest

from tests.support.system import SystemUnderTest, Worker

ROOT: Final = Path(__file__).parents[2]
# The last commit before 0.1.0. After a release, the commit of that release.
PREVIOUS_RELEASE: Final = "26f6de89d6ad1114deb716b7a7140a7a0d5d3b84"
COMMAND_TIMEOUT_S: Final = 120


def extract(folder: Path) -> Path:
    """Write the code of the previous release into a folder; skips the test if the history does not have it."""
    archive = subprocess.run(
        ["git", "archive", PREVIOUS_RELEASE, "streams", "schemas"], cwd=ROOT, capture_output=True
    )
    if archive.returncode != 0:
        pytest.skip(f"this clone has no commit {PREVIOUS_RELEASE[:12]}: it is shallow")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def command(*arguments: str) -> list[str]:
    """A command of `wa-streams`. `-P`: the current folder, which is that of today's code, is not searched."""
    return [sys.executable, "-P", "-m", "streams.cli", *arguments]


class PreviousRelease:
    """Starts workers of the previous release, in the place of today's."""

    def __init__(self, system: SystemUnderTest, code: Path) -> None:
        self._system = system
        self._environ = {"PYTHONPATH": str(code)}
        origin = self._run("-c", "import streams; print(streams.__file__)")
        assert Path(origin.strip()).is_relative_to(code), "today's code would run instead"

    def start_dispatcher(self) -> Worker:
        """Its dispatcher."""
        program = command("dispatch", "--name", "dispatch-1")
        return self._system.start_program(program, name="dispatch-1", **self._environ)

    def start_sender(self) -> Worker:
        """Its sender of the account `main`."""
        program = command("sender", "--account", "main", "--name", "sender-main")
        return self._system.start_program(program, name="sender-main", **self._environ)

    def _run(self, *arguments: str) -> str:
        program = [sys.executable, "-P", *arguments]
        environ = os.environ | self._environ
        run = subprocess.run(
            program, env=environ, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S
        )
        assert run.returncode == 0, run.stderr
        return run.stdout
