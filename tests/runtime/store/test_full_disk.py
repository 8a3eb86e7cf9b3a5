"""A full disk, on a small file system of its own: a worker ends with one line, and goes on when there is room again."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka import admin
from streams.runtime.exit_codes import ExitCode
from streams.settings import Settings
from tests.support.system import SystemUnderTest, Worker
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

SIZE_MB = 64  # RocksDB reserves 9 MB for each partition


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes; skipped where this user may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this user may not mount a file system: {error}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte on the disk; returns the file to delete."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for block_size in (1 << 20, 4096, 1):
            try:
                while file.write(b"x" * block_size):
                    pass
            except OSError:
                os.fsync(file.fileno())
    return ballast


async def test_a_full_disk_is_one_line(settings: Settings, small_disk: Path):
    """The exit code names it, there is no traceback, and the worker starts once there is room."""
    await admin.create_topics(settings)
    system = SystemUnderTest(settings)
    try:
        await _run_once(system, small_disk)
        ballast = fill(small_disk)
        worker = _start(system, small_disk)
        await wait_until(lambda: not worker.is_alive)
        assert worker.process.returncode in (1, ExitCode.DISK_FULL), worker.read_log_tail()
        assert "is full: free some space" in worker.read_log_tail()
        assert "Traceback" not in worker.read_log_tail()
        ballast.unlink()
        await _run_once(system, small_disk)
    finally:
        system.stop()


def _start(system: SystemUnderTest, disk: Path) -> Worker:
    # Its log is on another disk, where this test can read it.
    return system.start_worker("dispatch", name="dispatch-1", WA_DATA_DIR=str(disk))


async def _run_once(system: SystemUnderTest, disk: Path) -> None:
    earlier_count = sum(_count_recoveries(worker) for worker in system.workers[-1:])
    worker = _start(system, disk)

    def is_recovered() -> bool:
        assert worker.is_alive, worker.read_log_tail()
        return _count_recoveries(worker) > earlier_count

    await wait_until(is_recovered)
    worker.kill(signal.SIGTERM)


def _count_recoveries(worker: Worker) -> int:
    """In the whole log, to which every worker of this name appends."""
    return worker.log.read_text(errors="replace").count("recovered ")
