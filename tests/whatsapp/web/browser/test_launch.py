"""Chromium's arguments, and programs that die with their parent. No browser."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from streams.whatsapp.install.executable import Executable
from streams.whatsapp.web.browser import chromium_arguments as arguments
from streams.whatsapp.web.browser import processes

SHELL = Executable(Path("/x/chrome-headless-shell"), headless_shell=True)
FULL = Executable(Path("/x/chrome"), headless_shell=False)
_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.argv[1], "-c", sys.argv[2]])
sys.stdin.read()
"""
_CHILD = """
import signal, sys, pathlib
def term(*_): pathlib.Path(sys.argv[0] + "{path}").write_text("TERM"); sys.exit()
signal.signal(signal.SIGTERM, term)
pathlib.Path("{path}.up").write_text("up")
while True: signal.pause()
"""


def test_no_headless_in_the_user_agent() -> None:
    """WhatsApp Web does not start for a browser whose user agent says headless."""
    words = arguments.chromium_arguments(SHELL, "156.0.8078.79", (), has_sandbox=False)
    (agent,) = [word for word in words if word.startswith("--user-agent=")]
    assert agent.endswith("Chrome/156.0.0.0 Safari/537.36")
    assert "Headless" not in str(arguments.user_agent_override("156.0.8078.79"))


def test_extra_arguments_come_last() -> None:
    """Of two equal arguments Chromium obeys the last, so the sandbox's host rules win over ours."""
    extra = ("--host-resolver-rules=MAP * ~NOTFOUND", "--x")
    assert tuple(arguments.chromium_arguments(SHELL, "1.0", extra, has_sandbox=True)[-2:]) == extra


def test_the_full_browser_keeps_its_zygote() -> None:
    """Without a zygote the full browser needs 43 MB more."""
    assert "--no-zygote" in arguments.chromium_arguments(SHELL, "1.0", (), has_sandbox=False)
    assert "--no-zygote" not in arguments.chromium_arguments(FULL, "1.0", (), has_sandbox=False)


def test_a_browser_with_a_sandbox_keeps_its_zygote() -> None:
    """Chromium ends at once if it must have its sandbox and no zygote."""
    assert "--no-zygote" not in arguments.chromium_arguments(SHELL, "1.0", (), has_sandbox=True)


def test_playwrights_features_are_kept() -> None:
    """The last --enable-features wins, so it must repeat Playwright's own."""
    (features,) = [
        word
        for word in arguments.chromium_arguments(SHELL, "1.0", (), has_sandbox=True)
        if word.startswith("--enable-features=")
    ]
    assert {"CDPScreenshotNewSurface", "SkipListAccountsWithoutGaiaCookies"} <= set(
        features.partition("=")[2].split(",")
    )


async def test_a_wrapped_program_dies_with_its_parent(tmp_path: Path) -> None:
    """When the parent is killed, the child gets the chosen signal."""
    script = processes.write_wrapper(tmp_path / "child", Path(sys.executable), signal.SIGTERM)
    ended = tmp_path / "ended"
    child_code = _CHILD.replace('sys.argv[0] + "{path}"', f'"{ended}"').replace(
        "{path}", str(ended)
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(script), child_code], stdin=subprocess.PIPE
    )
    await _wait_for_file(tmp_path / "ended.up")
    child = psutil.Process(int((tmp_path / "child.pid").read_text()))
    assert child.is_running()
    parent.kill()
    await asyncio.to_thread(parent.communicate)
    await _wait_for_file(ended)
    assert ended.read_text() == "TERM"


async def test_only_the_process_of_the_pid_file_is_killed(tmp_path: Path) -> None:
    """A process as old as its pid file is ended; one that got the pid later is another process."""
    ignoring = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"]
    )
    try:
        old_file = tmp_path / "old.pid"
        old_file.write_text(str(ignoring.pid))
        processes.os.utime(old_file, (1.0, 1.0))
        await processes.end_process(old_file, timeout_s=0.0)
        assert ignoring.poll() is None
        pid_file = tmp_path / "own.pid"
        pid_file.write_text(str(ignoring.pid))
        await processes.end_process(pid_file, timeout_s=0.05)
        assert await asyncio.to_thread(ignoring.wait, 5) == -signal.SIGKILL
        assert not pid_file.exists()
    finally:
        ignoring.kill()
        ignoring.wait()


async def _wait_for_file(path: Path) -> None:
    async with asyncio.timeout(60):
        while not path.exists() or not path.read_text():  # noqa: ASYNC110 - a file gives no event
            await asyncio.sleep(0.01)


def test_arguments_of_the_program_come_before_those_of_the_call(tmp_path: Path) -> None:
    """Node reads its own flags only before the name of the program that it runs."""
    script = processes.write_wrapper(
        tmp_path / "child", Path("/bin/echo"), signal.SIGKILL, arguments=("--first", "a b")
    )
    output = subprocess.run([script, "last"], check=True, stdout=subprocess.PIPE).stdout
    assert output == b"--first a b last\n"
