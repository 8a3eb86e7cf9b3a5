"""A program that is bound to its parent never outlives it; browser, broker and services have their own tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from streams.system import parent_death

# Starts its child, prints the child's pid, and waits to be killed.
_PARENT = """
import subprocess, sys
from streams.system.parent_death import bind_to_this_process
child = subprocess.Popen(bind_to_this_process(["/bin/sleep", "600"]))
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_it_dies_with_a_killed_parent() -> None:
    """SIGKILL gives the parent no time to end its child; the kernel ends it."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running()


def test_it_never_starts_when_the_parent_is_gone_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the parent is killed before the kernel watches it, the child sees another parent pid and ends."""
    marker = tmp_path / "started"
    monkeypatch.setattr(parent_death.os, "getpid", os.getppid)
    command = parent_death.bind_to_this_process(["/usr/bin/touch", str(marker)])
    assert subprocess.run(command, check=False).returncode == 1
    assert not marker.exists()


def test_it_becomes_the_program_with_its_arguments() -> None:
    """Arguments with spaces and options of the program arrive unchanged."""
    command = parent_death.bind_to_parent(
        [sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "-c"], signal.SIGTERM
    )
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == "['a b', '-c']\n"
