"""The fixtures for tests of programs that send, in a test run of their own, as a user's."""

import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from streams.testing.sandbox_stack import SandboxStack, StackFailed

TIMEOUT_S = 300

USERS_CONFTEST = """
    import pytest


    @pytest.fixture(scope="session")
    def wa_streams_settings():
        return {"WA_RATE_LIMIT_PER_MINUTE": "1"}
"""

USERS_TESTS = """
    import pytest


    def test_a_message_arrives(wa_streams):
        with wa_streams.connect() as whatsapp:
            whatsapp.send("+60115550101", "Your order is confirmed", id="confirmed")
        (message,) = wa_streams.wait_for_messages("+60115550101")
        assert message["body"] == "Your order is confirmed"


    def test_the_service_is_the_same_and_has_the_settings(wa_streams):
        with wa_streams.connect() as whatsapp:
            assert whatsapp.status("confirmed") is not None
            for number in range(2):
                whatsapp.send("+60115550102", f"message {number}", id=f"limited-{number}")
            reasons = (event.reason for event in whatsapp.statuses(id="limited-1", since_s=0))
            assert "rate_limited" in reasons
        with pytest.raises(TimeoutError, match="shows 1 of 2 messages"):
            wa_streams.wait_for_messages("+60115550102", 2, timeout_s=0.1)
"""


@pytest.mark.broker
@pytest.mark.browser
@pytest.mark.timeout(TIMEOUT_S + 30)
def test_a_users_tests_run_against_the_whole_service(tmp_path: Path) -> None:
    """pytest finds the fixtures by itself; one service serves the whole run, and nothing of it remains."""
    (tmp_path / "conftest.py").write_text(textwrap.dedent(USERS_CONFTEST))
    (tmp_path / "test_user.py").write_text(textwrap.dedent(USERS_TESTS))
    base = tmp_path / "base"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={base}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout
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
