"""A sender that is killed as a process: what ends with it, and what its successor finds."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streams.system.processes import is_running
from streams.whatsapp.driver import Phase
from streams.whatsapp.web.profile import find_browsers
from tests.support.browser import MakeDriver, SandboxControl, read_pid, wait_for_phase
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.browser

# What a sender does, as a process that can be killed: it runs the driver of the profile it is told.
_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from streams.whatsapp.driver import Phase
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import browser_config

async def main(profile, arguments):
    driver = WhatsAppWeb(browser_config(arguments, Path(profile)))
    await driver.start()
    async for session in driver.watch_session():
        print(json.dumps({"phase": session.phase, "qr": session.qr, "link": session.link}), flush=True)

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""


@pytest.fixture
def program(sandbox: Sandbox, profile: Path) -> Iterator[subprocess.Popen[str]]:
    """A Python process that drives the profile; prints each session."""
    arguments = json.dumps(list(sandbox.browser_args))
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(profile), arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()
    for left in find_browsers(profile):
        left.kill()


async def test_a_killed_python_leaves_no_process_and_its_successor_is_linked(
    program: subprocess.Popen[str], control: SandboxControl, profile: Path, make_driver: MakeDriver
) -> None:
    """SIGKILL of the sender: browser and driver end too, and the next one goes on with its link."""
    shown = await asyncio.to_thread(_await_session, program, "qr")
    await control.post("/scan", {"qr": shown["qr"]})
    ready = await asyncio.to_thread(_await_session, program, "ready")
    pids = [read_pid(profile, "browser"), read_pid(profile, "driver")]
    program.kill()
    gone, alive = await asyncio.to_thread(_wait_gone, pids)
    assert (len(gone), alive) == (2, [])
    successor = make_driver()
    await successor.start()
    back = await wait_for_phase(successor, Phase.READY, Phase.LINKING)
    assert (back.phase, back.link) == (Phase.READY, ready["link"])


async def test_a_frozen_python_is_outlived_by_nothing(
    program: subprocess.Popen[str], control: SandboxControl, profile: Path, make_driver: MakeDriver
) -> None:
    """Killed while its browser is frozen: the successor ends that browser before its own starts."""
    shown = await asyncio.to_thread(_await_session, program, "qr")
    await control.post("/scan", {"qr": shown["qr"]})
    await asyncio.to_thread(_await_session, program, "ready")
    orphan = read_pid(profile, "browser")
    os.kill(orphan, signal.SIGSTOP)
    program.kill()
    await asyncio.to_thread(program.wait)
    successor = make_driver()
    await successor.start()
    await wait_for_phase(successor, Phase.READY, Phase.LINKING)
    assert not is_running(orphan)
    assert [found.pid for found in find_browsers(profile)] == [read_pid(profile, "browser")]


def _wait_gone(pids: list[int]) -> tuple[list[psutil.Process], list[psutil.Process]]:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    gone, alive = psutil.wait_procs(processes, timeout=10)
    already = [None] * (len(pids) - len(processes))
    return [*gone, *already], alive  # type: ignore[list-item]


def _await_session(program: subprocess.Popen[str], wanted: str) -> dict[str, str]:
    """The first session with a QR code, or of the phase that is wanted."""
    assert program.stdout is not None
    for line in program.stdout:
        session = json.loads(line)
        if session["phase"] == wanted or (wanted == "qr" and session["qr"]):
            return session
    raise AssertionError("the program ended")
