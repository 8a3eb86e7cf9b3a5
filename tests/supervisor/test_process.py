"""Child processes: they cannot outlive the supervisor, and end with all their children."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from streams.supervisor.log_file import read_last_line
from streams.supervisor.process import Process
from streams.system.processes import is_running
from tests.supervisor.programs import SLEEPING_PROGRAM, wait_until

SUPERVISOR = """
import asyncio, random, sys
from pathlib import Path
from streams.supervisor.supervisor import Supervisor
from tests.supervisor.programs import SLEEPING_PROGRAM, STUBBORN_PROGRAM, make_spec

async def main():
    folder = Path(sys.argv[1])
    async with Supervisor(lambda service: None) as supervisor:
        services = supervisor.start(
            make_spec("kind", SLEEPING_PROGRAM, folder),
            make_spec("stubborn", STUBBORN_PROGRAM, folder, ready_text="up"),
        )
        await supervisor.wait_until_ready()
        print(*(service.pid for service in services), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_services_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    """Nobody can clean up after SIGKILL, and still no process is left, even if it ignores SIGTERM."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    pids = [int(word) for word in supervisor.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(is_running, pids))
    supervisor.kill()
    supervisor.communicate()
    await wait_until(lambda: not any(map(is_running, pids)))


async def test_a_service_gets_no_signal_from_the_terminal(tmp_path: Path) -> None:
    """It has its own session and group: Ctrl-C reaches only the supervisor."""
    process = await Process.start((sys.executable, "-c", SLEEPING_PROGRAM), {}, tmp_path / "log")
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        assert os.getpgid(process.pid) == process.pid
    finally:
        assert await process.stop(5.0) == -signal.SIGTERM


async def test_a_kill_ends_the_children_too(tmp_path: Path) -> None:
    """The whole process group is killed."""
    start = f"subprocess.Popen([sys.executable, '-c', {SLEEPING_PROGRAM!r}])"
    code = f"import subprocess, sys; print({start}.pid, flush=True); {SLEEPING_PROGRAM}"
    log = tmp_path / "log"
    process = await Process.start((sys.executable, "-c", code), {}, log)
    await wait_until(lambda: read_last_line(log))
    child = int(read_last_line(log))
    process.kill()
    await process.wait_for_exit()
    await wait_until(lambda: not is_running(child))
