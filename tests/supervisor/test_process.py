"""Processes that cannot outlive us, and their logs."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from streams.supervisor.process import Process, read_last_line, rotate_log
from tests.supervisor.programs import SLEEPING_PROGRAM, is_running, wait_until

SUPERVISOR = """
import asyncio, random, sys
from pathlib import Path
from streams.supervisor.supervisor import Supervisor
from tests.supervisor.programs import SLEEPING_PROGRAM, STUBBORN_PROGRAM, make_spec

async def main():
    folder = Path(sys.argv[1])
    async with Supervisor(lambda part: None) as supervisor:
        services = supervisor.start(
            make_spec("kind", SLEEPING_PROGRAM, folder),
            make_spec("stubborn", STUBBORN_PROGRAM, folder, ready_text="up"),
        )
        await supervisor.wait_until_ready()
        print(*(service.pid for service in services), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_parts_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    """SIGKILL, so nobody can clean up: still nothing is left, not even what ignores SIGTERM."""
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


async def test_a_part_is_out_of_the_terminals_reach(tmp_path: Path) -> None:
    """Its own session and group: Ctrl-C is the supervisor's to answer, in its order."""
    process = await Process.start((sys.executable, "-c", SLEEPING_PROGRAM), {}, tmp_path / "log")
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        assert os.getpgid(process.pid) == process.pid
    finally:
        assert await process.stop(5.0) == -signal.SIGTERM


async def test_children_of_a_part_go_with_it(tmp_path: Path) -> None:
    """What is killed is the whole group."""
    start = f"subprocess.Popen([sys.executable, '-c', {SLEEPING_PROGRAM!r}])"
    code = f"import subprocess, sys; print({start}.pid, flush=True); {SLEEPING_PROGRAM}"
    log = tmp_path / "log"
    process = await Process.start((sys.executable, "-c", code), {}, log)
    await wait_until(lambda: read_last_line(log))
    child = int(read_last_line(log))
    process.kill()
    await process.wait_for_exit()
    await wait_until(lambda: not is_running(child))


async def test_a_log_is_bounded_while_it_is_written(tmp_path: Path) -> None:
    """The program goes on writing where the log begins anew; what was before is kept once."""
    log = tmp_path / "log"
    code = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    with log.open("ab") as out:
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=subprocess.PIPE, stdout=out
        )
    assert writer.stdin is not None
    writer.stdin.write(b"x" * 999 + b"\n")
    await wait_until(lambda: log.stat().st_size == 1000)
    rotate_log(log, max_bytes=1000)
    assert log.stat().st_size == 1000
    writer.stdin.write(b"more\n")
    await wait_until(lambda: log.stat().st_size == 1005)
    rotate_log(log, max_bytes=1000)
    writer.stdin.write(b"anew\n")
    await wait_until(lambda: log.read_bytes() == b"anew\n")
    assert log.with_name("log.1").stat().st_size == 1005
    writer.stdin.close()
    await writer.wait()


def test_the_last_line_that_says_something(tmp_path: Path) -> None:
    """Empty lines and a missing file say nothing."""
    log = tmp_path / "log"
    assert read_last_line(log) == ""
    log.write_text("first\nlast \n\n")
    assert read_last_line(log) == "last"
    assert read_last_line(log, "irs") == "first"
    assert read_last_line(log, "nobody said") == ""


ADOPTS = """
import os, subprocess, sys, time
from streams.supervisor.process import OrphanReaper, adopt_orphans
adopt_orphans()
child = "import subprocess; print(subprocess.Popen(['sleep', '0.5']).pid)"
orphan = int(subprocess.run([sys.executable, '-c', child], stdout=subprocess.PIPE).stdout)
while open(f'/proc/{orphan}/stat').read().split()[2] != 'Z':
    time.sleep(0.01)
reaper = OrphanReaper()
reaper.reap()
print(os.path.exists(f'/proc/{orphan}'))
reaper.reap()
print(os.path.exists(f'/proc/{orphan}'))
"""


def test_dead_orphans_are_collected() -> None:
    """Not at first sight, so that nobody is robbed of the exit code of a process of his."""
    ended = subprocess.run(
        [sys.executable, "-c", ADOPTS], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["True", "False"]


def test_a_full_disk_does_not_keep_a_log_from_being_cut(tmp_path: Path) -> None:
    """Where the old lines cannot be kept, they go."""
    log = tmp_path / "log"
    log.write_text("x" * 100)
    (tmp_path / "log.1").mkdir()  # cannot be written
    rotate_log(log, max_bytes=10)
    assert log.stat().st_size == 0
