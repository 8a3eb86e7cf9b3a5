"""Which process a stored pid means, and whether it runs."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.system import processes


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that runs until the end of the test."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_a_process_runs_until_it_ends(sleeper: "subprocess.Popen[bytes]") -> None:
    """A zombie and a missing process do not run."""
    assert processes.is_running(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_running(sleeper.pid)
    sleeper.wait()
    assert not processes.is_running(sleeper.pid)


def test_a_pid_file_names_its_process(sleeper: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """The file was written after the process started."""
    pid_file = tmp_path / "browser.pid"
    pid_file.write_text(f"{sleeper.pid}\n")
    process = processes.read_pid_file(pid_file)
    assert process is not None
    assert process.pid == sleeper.pid


def test_a_reused_pid_is_not_believed(sleeper: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """The process started after the file was written: the number was given to another process."""
    pid_file = tmp_path / "browser.pid"
    pid_file.write_text(str(sleeper.pid))
    old_s = time.time() - 60
    os.utime(pid_file, (old_s, old_s))
    assert processes.read_pid_file(pid_file) is None
    assert processes.find_process(sleeper.pid, old_s) is None


@pytest.mark.parametrize("content", [None, "", "12x"])
def test_a_file_without_a_pid_names_no_process(tmp_path: Path, content: str | None) -> None:
    """It is missing, or its writer has not finished."""
    pid_file = tmp_path / "browser.pid"
    if content is not None:
        pid_file.write_text(content)
    assert processes.read_pid_file(pid_file) is None
