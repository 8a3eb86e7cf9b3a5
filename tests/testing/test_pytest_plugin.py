"""The fixtures for tests of programs that send, in a test run of their own, as a user's."""

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from streams.testing.sandbox_stack import SandboxStack, StackFailed

TIMEOUT_S = 300

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.broker
@pytest.mark.browser
@pytest.mark.timeout(TIMEOUT_S + 30)
def test_a_users_tests_run_against_the_whole_service(tmp_path: Path) -> None:
    """The suite of examples/: pytest finds the fixtures by itself, and nothing of the service remains."""
    shutil.copytree(EXAMPLES / "pytest_suite", tmp_path, dirs_exist_ok=True)
    shutil.copy(EXAMPLES / "order_notification.py", tmp_path)
    base = tmp_path / "base"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={base}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout
    assert [process for process in psutil.process_iter() if names(process, base)] == []


def names(process: psutil.Process, folder: Path) -> bool:
    """Whether the process has this folder in its command line."""
    try:
        return any(str(folder) in word for word in process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The end of its log is in the error."""
    with (
        pytest.raises(StackFailed, match="WA_MAX_QUEU"),
        SandboxStack(tmp_path, {"WA_MAX_QUEU": "1"}),
    ):
        pass
