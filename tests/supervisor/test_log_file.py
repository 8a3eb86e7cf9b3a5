"""The log of a service: its size is bounded, its last line is found."""

import asyncio
import subprocess
import sys
from pathlib import Path

from streams.supervisor.log_file import read_last_line, rotate_log
from tests.supervisor.programs import wait_until


async def test_a_log_is_bounded_while_it_is_written(tmp_path: Path) -> None:
    """The program goes on writing at the new end; the previous content is kept once."""
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
    writer.stdin.write(b"new\n")
    await wait_until(lambda: log.read_bytes() == b"new\n")
    assert log.with_name("log.1").stat().st_size == 1005
    writer.stdin.close()
    await writer.wait()


def test_the_last_line_that_is_not_blank(tmp_path: Path) -> None:
    """A missing file has none; a text selects among the lines."""
    log = tmp_path / "log"
    assert read_last_line(log) == ""
    log.write_text("first\nlast \n\n")
    assert read_last_line(log) == "last"
    assert read_last_line(log, "irs") == "first"
    assert read_last_line(log, "absent") == ""


def test_a_full_disk_does_not_prevent_the_truncation(tmp_path: Path) -> None:
    """If the old lines cannot be kept, they are lost."""
    log = tmp_path / "log"
    log.write_text("x" * 100)
    (tmp_path / "log.1").mkdir()  # cannot be written
    rotate_log(log, max_bytes=10)
    assert log.stat().st_size == 0
