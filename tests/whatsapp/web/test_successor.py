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
from streams.whatsapp.web.browser.profile import find_browsers
from tests.support.browser import MakeDriver, SandboxControl, read_pid, wait_for_phase
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.browser

# A sender as a process that can be killed: it runs the driver of the given profile.
_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from streams.whatsapp.driver import Phase
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import make_browser_config

async def main(profile, arguments):
    driver = WhatsAppWeb(make_browser_config(arguments, Path(profile)))
    await driver.start()
    async for session in driver.watch_session():
        print(json.dumps({"phase": session.phase, "qr": session.qr, "link": session.link}), flush=True)

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""


@pytest.fixture
def program(sandbox: Sandbox, profile: Path) -> Iterator[subprocess.Popen[str]]:
    """A Python process that drives the profile and prints each session."""
    arguments = json.dumps(list(sandbox.browser_args))
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(profile), arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()
    for browser in find_browsers(profile):
        browser.kill()


async def test_a_killed_python_leaves_no_process_and_its_successor_is_linked(
    program: subprocess.Popen[str], control: SandboxControl, profile: Path, make_driver: MakeDriver
) -> None:
    """When the sender is killed, browser and driver end too, and its successor keeps the link."""
    shown = await asyncio.to_thread(_wait_for_session, program, "qr")
    await control.scan(shown["qr"])
    ready = await asyncio.to_thread(_wait_for_session, program, "ready")
    pids = [read_pid(profile, "browser"), read_pid(profile, "driver")]
    program.kill()
    gone, alive = await asyncio.to_thread(_wait_gone, pids)
    assert (len(gone), alive) == (2, [])
    successor = make_driver()
    await successor.start()
    back = await wait_for_phase(successor, Phase.READY, Phase.LINKING)
    assert (back.phase, back.link) == (Phase.READY, ready["link"])


async def test_a_frozen_browser_does_not_outlive_a_killed_python(
    program: subprocess.Popen[str], control: SandboxControl, profile: Path, make_driver: MakeDriver
) -> None:
    """The successor ends the frozen browser before it starts its own."""
    shown = await asyncio.to_thread(_wait_for_session, program, "qr")
    await control.scan(shown["qr"])
    await asyncio.to_thread(_wait_for_session, program, "ready")
    orphan = read_pid(profile, "browser")
    os.kill(orphan, signal.SIGSTOP)
    program.kill()
    await asyncio.to_thread(program.wait)
    successor = make_driver()
    await successor.start()
    await wait_for_phase(successor, Phase.READY, Phase.LINKING)
    assert not is_running(orphan)
    assert [browser.pid for browser in find_browsers(profile)] == [read_pid(profile, "browser")]


def _wait_gone(pids: list[int]) -> tuple[list[psutil.Process], list[psutil.Process]]:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    gone, alive = psutil.wait_procs(processes, timeout=10)
    missing = [None] * (len(pids) - len(processes))
    return [*gone, *missing], alive  # type: ignore[list-item]


def _wait_for_session(program: subprocess.Popen[str], expected: str) -> dict[str, str]:
    """The first session with a QR code, or with the expected phase."""
    assert program.stdout is not None
    for line in program.stdout:
        session = json.loads(line)
        if session["phase"] == expected or (expected == "qr" and session["qr"]):
            return session
    raise AssertionError("the program ended")
